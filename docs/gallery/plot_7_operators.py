"""
Measured elsewhere: MRI and tomography
======================================

An image that is seen through a forward operator: half of its frequencies, or 30 projections.
"""

# %%
# The problem is ``1/2 ||A u - y||² + R(u; maps)``. A phantom with a smooth and a textured part, 64x64:
import numpy as np
import torch
from matplotlib import pyplot as plt
from skimage.data import shepp_logan_phantom
from skimage.transform import resize

from difftv import Admm, Reconstructor, TVpwL, tv_reconstruct
from difftv.linear import Fourier, Matrix, first_look, parallel_beam

size = 64
phantom = torch.from_numpy(resize(shepp_logan_phantom(), (size, size), anti_aliasing=True))[None, None].float()
rows, columns = np.mgrid[:size, :size] / size
texture = 0.1 * np.sin(60 * columns) * np.sin(55 * rows) * (rows > 0.5) * (phantom[0, 0].numpy() > 0.1)
clean = phantom + torch.from_numpy(texture).float()
generator = torch.Generator().manual_seed(0)


def psnr(image):
    return float(-10 * (image - clean).square().mean().log10())


# %%
# **Two operators.** Every second column of the spectrum at random, and all of the lowest frequencies; 30 angles of
# parallel rays.
mask = (torch.rand(size, generator=generator) < 0.4).float()
mask[:6] = mask[-6:] = 1
mri = Fourier(mask.expand(size, size).clone())
detectors = 91
ct = Matrix(
    parallel_beam((size, size), np.linspace(0, np.pi, 30, endpoint=False), detectors), (size, size), (1, 30, detectors)
)
print(f"MRI: {100 * float(mask.mean()):.0f} % of the frequencies; CT: {30 * detectors / size**2:.2f} rays per pixel")

spectrum = mri.apply(clean)
noise = torch.view_as_complex(torch.randn(*spectrum.shape, 2, generator=generator))
sinogram = ct.apply(clean)
measured = {
    "MRI": (mri, spectrum + 0.01 * mri.mask * noise, 0.004),
    "CT": (ct, sinogram + 0.1 * torch.randn(sinogram.shape, generator=generator), 0.1),
}

# %%
# **One weight.** ``tv_reconstruct`` takes arrays or tensors, and says how exact it was.
scalar = {}
for name, (operator, y, weight) in measured.items():
    found = tv_reconstruct(y[0], operator, weight, tol=1e-4, return_solution=True)
    scalar[name] = found.denoised[None, None]
    print(f"{name}: first look {psnr(first_look(operator, y)):.1f} dB, one weight {psnr(scalar[name]):.1f} dB, "
          f"{found.iterations} iterations, gap {found.gap:.0e}")  # fmt: skip

# %%
# **A predicted map.** The model ``gray-small`` was trained to denoise photographs, and never saw a spectrum or a
# sinogram. It is shown the first look, scaled to [0, 1], and one factor on its maps is all that is chosen for the new
# operator: here by the clean image, in earnest by validation images.
learned = {}
for name, (operator, y, _) in measured.items():
    best = None
    for factor in (0.03, 0.1, 0.3):
        reconstructor = Reconstructor.pretrained("gray-small", Admm(TVpwL(num_maps=4), tol=1e-4), factor=factor)
        with torch.no_grad():
            solution = reconstructor(y, operator, sigma=15)
        if best is None or psnr(solution.denoised) > psnr(best.denoised):
            best, chosen = solution, factor
    learned[name] = best
    print(f"{name}: factor {chosen}, {psnr(best.denoised):.1f} dB")

# %%
# The map is small, and hence little is smoothed, where the first look has edges and texture. Artefacts of the first
# look are structure to a network that was never shown any; one that is trained behind the operator learns to tell them.
figure, axes = plt.subplots(2, 4, figsize=(11, 5.6), layout="constrained")
for row, (name, (operator, y, _)) in zip(axes, measured.items(), strict=True):
    shown = {
        "first look": first_look(operator, y),
        "one weight": scalar[name],
        "a predicted map": learned[name].denoised,
    }
    for axis, (title, image) in zip(row, shown.items(), strict=False):
        axis.imshow(image[0, 0], cmap="gray", vmin=0, vmax=1)
        axis.set_title(f"{name}: {title}, {psnr(image):.1f} dB", fontsize=8)
    drawn = row[3].imshow(learned[name].lam[0, 0], cmap="viridis")
    row[3].set_title("its map", fontsize=8)
    figure.colorbar(drawn, ax=row[3], shrink=0.8)
    for axis in row:
        axis.set_axis_off()

# %%
# Equation, units, gradients and what a solve costs: :doc:`/inverse_problems`.
