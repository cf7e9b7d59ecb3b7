"""
Staircasing, and two cures
==========================

Total variation turns slopes into stairs. TVpwL leaves gentle slopes free, TGV charges for changes of slope only.
"""

# %%
# The inside of a cup, from ``coffee``, in gray, with noise of sigma 25:
import itertools

import numpy as np
import torch
from matplotlib import pyplot as plt
from skimage.color import rgb2gray
from skimage.data import coffee

from difftv import TGV, denoise_tv
from difftv.metrics import plateau_excess

clean = rgb2gray(coffee())[100:196, 190:286]
noisy = clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape)


def psnr(image):
    return -10 * np.log10(np.mean((image - clean) ** 2))


def stairs(image):
    """Share of flat pixels that the clean image does not have: 0 is best, large means stairs."""
    denoised, truth = (torch.from_numpy(np.ascontiguousarray(array))[None, None] for array in (image, clean))
    return float(plateau_excess(denoised, truth))


# %%
# Each regularizer gets the constants of a small grid with the best PSNR, chosen with the clean image in hand. ``TGV``
# is taken exact, without the small Huber widths that its default has for training.
grids = {
    "TV": ("isotropic", itertools.product((0.07, 0.09, 0.12, 0.16))),
    "TVpwL": ("tvpwl", itertools.product((0.07, 0.09, 0.12), (0.003, 0.006, 0.012))),
    "TGV": (TGV((0, 0)), [(lam, ratio * lam) for lam, ratio in itertools.product((0.07, 0.09, 0.12), (1.0, 2.0, 4.0))]),
}
best = {}
for name, (regularizer, grid) in grids.items():
    tried = {}
    for constants in grid:
        weight = constants[0] if len(constants) == 1 else list(constants)
        tried[constants] = denoise_tv(noisy, weight, regularizer=regularizer, tol=1e-4)
    chosen = max(tried, key=lambda constants: psnr(tried[constants]))
    best[name] = tried[chosen]
    numbers = ", ".join(f"{number:.3g}" for number in chosen)
    print(f"{name:6} ({numbers:12}) {psnr(best[name]):.2f} dB   false plateaus {stairs(best[name]):+.3f}")

# %%
# Pictures, and the intensities along the marked row, from the shadow to the coffee in the light, a row that was chosen
# because the stairs of TV are seen there:
row, columns = 48, range(16, 96)
figure = plt.figure(figsize=(11, 6), layout="constrained")
grid = figure.add_gridspec(2, 4, height_ratios=(1, 1))
for index, (title, image) in enumerate({"noisy": noisy, **best}.items()):
    axis = figure.add_subplot(grid[0, index])
    axis.imshow(image, cmap="gray", vmin=0, vmax=1)
    axis.axhline(row, color="C3", linewidth=0.8)
    axis.set_title(f"{title}, {psnr(image):.1f} dB", fontsize=9)
    axis.set_axis_off()
axis = figure.add_subplot(grid[1, :])
axis.plot(columns, clean[row, 16:], color="0.6", linewidth=3, label="clean")
for name, image in best.items():
    axis.plot(columns, image[row, 16:], linewidth=1.2, label=name)
axis.set_xlabel("column")
axis.set_ylabel("intensity")
axis.legend(ncols=4, fontsize=9)

# %%
# Where slopes matter more than tenths of a decibel, choose by the plateaus as well: :doc:`/regularizers`.
