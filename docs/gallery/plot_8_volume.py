"""
Volumes, with the spacing of their voxels
=========================================

Signals, images and volumes go through the same calls. Here a volume whose slices are twice as far apart as its
pixels: what the spacing does, and a model for images applied slice by slice.
"""

# %%
# A phantom: two balls and a plate, 20 slices of 40x40 pixels, with noise of sigma 25 (8-bit units).
import numpy as np
import torch
from matplotlib import pyplot as plt

from difftv import Denoiser, denoise_tv, tv_denoise
from difftv.lab.figures.slices import orthogonal_slices
from difftv.volumes import denoise_volume

spacing = (2.0, 1.0, 1.0)
z, y, x = (length * (np.arange(size) - (size - 1) / 2) for size, length in zip((20, 40, 40), spacing, strict=True))
z, y, x = np.meshgrid(z, y, x, indexing="ij")
clean = 0.2 + 0.5 * (x**2 + y**2 + z**2 / 1.5 < 16**2) + 0.2 * ((x - 4) ** 2 + y**2 + (z + 3) ** 2 < 8**2)
clean = clean - 0.3 * (abs(y - x + 8) < 3) * (clean > 0.3)
noisy = clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape)


def psnr(volume):
    return -10 * np.log10(np.mean((np.asarray(volume) - clean) ** 2))


# %%
# Isotropic total variation with three axes, as in scikit-image, is ``denoise_tv`` of an array of three axes. Along an
# axis of spacing h a difference is divided by h: slices that are far apart are joined less. The weight that is best for
# each way of looking at the volume:
volumes = {"noisy": noisy}
for name, given in (("slice by slice", (1e6, 1, 1)), ("cubic voxels", (1, 1, 1)), ("spacing 2, 1, 1", spacing)):
    found = {weight: denoise_tv(noisy, weight, spacing=given, tol=1e-3) for weight in (0.05, 0.07, 0.09)}
    best = max(found, key=lambda weight: psnr(found[weight]))
    volumes[name] = found[best]
    print(f"{name:20} {psnr(found[best]):6.2f} dB at weight {best}")

# %%
# Slices through the middle, drawn in proportion to the spacing:
orthogonal_slices({"noisy": noisy, "denoised": volumes["spacing 2, 1, 1"]}, spacing=spacing)

# %%
# Anisotropic total variation is solved exactly, whatever the weight, and is differentiable in image and weights. Per
# axis there may be a weight of its own, a number or a map:
weights = torch.tensor([0.02, 0.06, 0.06], dtype=torch.float64, requires_grad=True)
tensor, target = (torch.from_numpy(values)[None, None] for values in (noisy, clean))
(tv_denoise(tensor, list(weights)) - target).square().mean().backward()
print("slope of the error in the three weights:", weights.grad.numpy().round(4))

# %%
# A model for images predicts the maps of every slice, and one minimisation joins them. ``z_weight=0`` leaves the slices
# to themselves; the spacing within slices over that across them is what ``difftv-denoise --axes 3`` takes. Networks
# that see several slices are trained with ``python experiments/run.py experiment=volumes``.
model = Denoiser.pretrained("gray-small")
figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="constrained")
axes[0].imshow(noisy[10], cmap="gray", vmin=0, vmax=1)
axes[0].set_title(f"noisy, {psnr(noisy):.2f} dB", fontsize=9)
for axis, weight in zip(axes[1:], (0.0, 0.5), strict=True):
    solution = denoise_volume(model, tensor.float(), sigma=25, z_weight=weight)
    denoised = solution.denoised[0, 0].numpy()
    print(f"gray-small, z_weight {weight:g}: {psnr(denoised):.2f} dB, largest gap {float(solution.gap.max()):.0e}")
    axis.imshow(denoised[10], cmap="gray", vmin=0, vmax=1)
    axis.set_title(f"gray-small, z_weight {weight:g}: {psnr(denoised):.2f} dB", fontsize=9)
for axis in axes:
    axis.set_axis_off()
