"""
A colour photograph
===================

Channels each by themselves, as in scikit-image; as luma and chroma, through a gray model; or a model of colours.
"""

# %%
# A piece of ``chelsea`` with noise of sigma 25 in every colour:
import numpy as np
import torch
from matplotlib import pyplot as plt
from skimage.data import chelsea

from difftv import AnisotropicTV, Constant, Denoiser, Exact, denoise_tv, list_pretrained
from difftv.colour import denoise_image

clean = chelsea()[40:168, 100:228] / 255.0
noisy = clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape)


def psnr(image):
    return -10 * np.log10(np.mean((image - clean) ** 2))


# %%
# **NumPy.** ``channel_axis`` says where the channels are; a weight may have a value per channel, and per pixel.
# Each channel is denoised by itself, or all of them together (``channels="coupled"``), which share their edges then.
by_channel = denoise_tv(noisy, 0.08, regularizer="anisotropic", channel_axis=-1)
coupled = denoise_tv(noisy, 0.1, channel_axis=-1, channels="coupled", tol=1e-5)
red_only = denoise_tv(noisy, np.array([[[0.3, 0.08, 0.08]]]), regularizer="anisotropic", channel_axis=-1)

# %%
# **A model for gray images** takes colour as three gray images: luma and two chroma channels of an orthonormal
# matrix, in which the noise has the same level. Most of a photograph's structure is in the luma. The model here is
# the smallest there is, one number for the whole map; what changes is the basis alone.
one_number = Denoiser(Constant(initial_lam=0.08), Exact(AnisotropicTV()))
channels = torch.from_numpy(np.moveaxis(noisy, -1, 0).copy()).float()
opponent = np.moveaxis(denoise_image(one_number, channels).denoised.numpy(), 0, -1)

# %%
# Of the models that are shipped with the installed package, the one for colours sees all three channels when it
# predicts the maps of each; without it a gray one takes the place of that number:
shown = {
    "noisy": noisy,
    "R, G, B": by_channel,
    "R, G, B coupled": coupled,
    "red smoothed harder": red_only,
    "luma and chroma": opponent,
}
for name in list(list_pretrained())[:1]:  # colour, gray, ...: by their names
    model = Denoiser.pretrained(name)
    sigma = 25.0 if model.sigma_input else None
    shown[f"model {name}"] = np.moveaxis(denoise_image(model, channels, sigma=sigma).denoised.numpy(), 0, -1)
for title, image in shown.items():
    print(f"{title:20} {psnr(image):.2f} dB")

# %%
figure, axes = plt.subplots(1, len(shown), figsize=(11, 11 / len(shown) + 0.4), layout="constrained")
for axis, (title, image) in zip(axes, shown.items(), strict=True):
    axis.imshow(image.clip(0, 1))
    axis.set_title(f"{title}, {psnr(image):.1f} dB", fontsize=8)
    axis.set_axis_off()

# %%
# Files: ``difftv-denoise photo.png`` does the same with whole photographs, in their own format and depth.
