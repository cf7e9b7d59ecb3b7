"""
Photon counts, and no clean image
=================================

A sensor that counts photons has noise that grows with the signal. Here it is estimated from the noisy image, made white
by a transform, put into the data term as a weight, and a weight of total variation is chosen without a clean image.
"""

# %%
# A photograph seen by 50 photons per pixel at white, with a little noise of the sensor's own (sigma 2 in 8-bit units).
import torch
from matplotlib import pyplot as plt
from skimage import data

from difftv import Denoiser, PoissonGaussian, estimate_noise, tv_denoise
from difftv.noise import Anscombe

clean = torch.from_numpy(data.camera()[60:220, 120:280] / 255.0)[None, None]
noise = PoissonGaussian(gain=0.02, sigma=2)
noisy = noise.corrupt(clean, seed=0)


def psnr(image):
    return float(-10 * (image.clamp(0, 1) - clean).square().mean().log10())


# %%
# The variance over the intensity is a line: its slope is the gain, the intensity of one photon. The fit says how well
# it is known, and whether neighbours share their noise (0: they do not).
fit = estimate_noise(noisy)
print(f"gain {fit.gain:.4f} +- {fit.gain_error:.4f} (true: {noise.gain}), correlation {fit.correlation:.2f}")
dark, bright = clean < 0.15, clean > 0.6
for name, part in (("dark", dark), ("bright", bright)):
    found, fitted = float((noisy - clean)[part].std()), float(fit.noise.std(clean)[part].mean())
    print(f"{name:7} noise {found:.3f}, by the fit {fitted:.3f}")

# %%
# The generalised Anscombe transform makes it white, with a standard deviation of 1 nearly everywhere:
transform = Anscombe(fit.noise)
residual = transform.apply(noisy) - transform.apply(clean)
for name, part in (("dark", dark), ("bright", bright)):
    print(f"{name:7} after the transform {float(residual[part].std()):.2f}")

# %%
# A model of white noise takes photons through the transform and back: ``denoise`` in place of a call. Taken for white
# noise of the mean level, dark parts are smoothed too much and bright ones too little.
model = Denoiser.pretrained("gray-small")
level = 255 * float(noise.std_per_image(clean))
pictures = {
    "noisy": noisy,
    "taken as white": model.denoise(noisy.float(), level).denoised.detach(),
    "through the transform": model.denoise(noisy.float(), fit.noise).denoised.detach(),
}

# %%
# The other way leaves the image as it is, and weights every pixel of the data term by 1 / variance, of
# means of 5x5 pixels, since a single one is too noisy to say. With the weight
# ``"sure"`` the error is estimated from the noisy image and its noise: no clean image anywhere, and nothing to tune.
mean = torch.nn.functional.avg_pool2d(noisy, 5, stride=1, padding=2, count_include_pad=False).clamp(min=0.01)
std = fit.noise.std(mean)
pictures["TV, weight by SURE, no data weight"] = tv_denoise(noisy, "sure", noise_std=level / 255)
pictures["TV, weight by SURE, data weight"] = tv_denoise(
    noisy, "sure", noise_std=std, data_weight=fit.noise.data_weight(mean)
)
figure, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
for axis, (name, image) in zip(axes.flat, {"clean": clean, **pictures}.items(), strict=True):
    axis.imshow(image[0, 0], cmap="gray", vmin=0, vmax=1)
    axis.set_title(name if image is clean else f"{name}\n{psnr(image):.2f} dB", fontsize=9)
    axis.set_axis_off()

# %%
# A network is trained without clean images in the same way, on a folder of noisy ones::
#
#     python experiments/run.py data=folder data.root=NOISY data.clean=false loss=sure 'sigma=[5,55]'
#     python experiments/run.py data=folder data.root=FIRST data.again=SECOND data.clean=false loss=noise2noise
#
# When that fails, above all where neighbours share their noise: `real images <../real_images.html>`_.
