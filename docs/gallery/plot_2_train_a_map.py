"""
Train a map
===========

A small network predicts where to smooth; the loss is taken after the minimiser, and its gradient flows through it.
"""

# %%
# Patches with noise of sigma 25 from the embedded training photographs, 48x48 pixels. ``TrainingPatches`` and the loop
# of ``experiments/run.py`` do this with resume, validation and tables; here are the bare lines.
import torch
from matplotlib import pyplot as plt

from difftv import AnisotropicTV, Cnn, Denoiser, Exact
from difftv.lab.data import Sample, open_images
from difftv.lab.losses import Psnr
from difftv.metrics import psnr
from difftv.noise import add_noise

torch.manual_seed(0)
sigma, side, steps, batch = 25, 48, 300, 4
files = Sample().files()
photographs = [torch.from_numpy(image.copy()).float() / 255 for image in open_images(files.train, None)]
generator = torch.Generator().manual_seed(0)


def draw_patches():
    """(batch, 1, side, side), from random places of random photographs."""
    patches = []
    for index in torch.randint(len(photographs), (batch,), generator=generator).tolist():
        height, width = photographs[index].shape
        top = int(torch.randint(height - side, (), generator=generator))
        left = int(torch.randint(width - side, (), generator=generator))
        patches.append(photographs[index][top : top + side, left : left + side])
    return torch.stack(patches)[:, None]


# %%
# The network starts at a map of 0.05 everywhere. A larger start can learn nothing: where a map flattens the image, its
# gradient is exactly zero.
denoiser = Denoiser(Cnn(), Exact(AnisotropicTV()))
optimizer = torch.optim.Adam(denoiser.parameters(), lr=2e-3)
loss_of = Psnr()
losses = []
for step in range(steps):
    clean = draw_patches()
    solution = denoiser(add_noise(clean, sigma, seed=step))
    loss = loss_of(solution.denoised, clean)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

# %%
# On a crop of ``camera``, which it was not trained on, against the best single weight, chosen on this very crop with
# the clean image in hand:
(camera,) = (
    image for file, image in zip(files.test, open_images(files.test, None), strict=True) if file.stem == "camera"
)
clean = torch.from_numpy(camera.copy()).float()[None, None, 40:200, 140:300] / 255
noisy = add_noise(clean, sigma, seed=1)
with torch.no_grad():
    learned = denoiser.eval()(noisy)
    solver = denoiser.solver
    lams = torch.logspace(-1.6, -0.7, 19).tolist()
    constants = {lam: solver(noisy, torch.full_like(noisy, lam)).denoised for lam in lams}
best = max(constants, key=lambda lam: float(psnr(constants[lam], clean)))
print(f"noisy                 {float(psnr(noisy, clean)):.2f} dB")
print(f"best number {best:.3f}     {float(psnr(constants[best], clean)):.2f} dB")
print(f"learned map           {float(psnr(learned.denoised, clean)):.2f} dB")
print(f"relative duality gap  {float(learned.gap):.0e}")

# %%
# The map relaxes at edges (dark) and smooths flat regions.
figure, axes = plt.subplots(1, 4, figsize=(11, 3.2), layout="constrained")
shown = [noisy, constants[best], learned.denoised]
for axis, image, title in zip(axes, shown, ("noisy", "best number", "learned map"), strict=False):
    axis.imshow(image[0, 0], cmap="gray", vmin=0, vmax=1)
    axis.set_title(f"{title}, {float(psnr(image, clean)):.2f} dB", fontsize=9)
drawn = axes[3].imshow(learned.lam[0, 0], cmap="viridis")
axes[3].set_title("lam", fontsize=9)
figure.colorbar(drawn, ax=axes[3], shrink=0.8)
for axis in axes:
    axis.set_axis_off()

# %%
# The loss, minus the PSNR of a batch, and its mean over 15 steps:
figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
axis.plot(losses, alpha=0.3, color="C0")
smooth = torch.tensor(losses).unfold(0, 15, 1).mean(dim=1)
axis.plot(range(14, steps), smooth, color="C0")
axis.set_xlabel("step")
axis.set_ylabel("loss [dB]")

# %%
# This is a demonstration on one crop, one seed and 300 steps; after half of them the map was still behind the best
# number.
# A training that gives a model worth using takes minutes to hours: :doc:`/results`.
