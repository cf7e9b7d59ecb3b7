"""
A drop-in for denoise_tv_chambolle
==================================

The same call as in scikit-image, solved to the end, with a number that says how far from the minimum the answer is.
"""

# %%
# A piece of ``camera``, with noise of sigma 25 (8-bit units):
import time

import numpy as np
from matplotlib import pyplot as plt
from skimage.data import camera
from skimage.restoration import denoise_tv_chambolle

from difftv import denoise_tv

clean = camera()[60:188, 160:288] / 255.0
noisy = clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape)
weight = 0.1

# %%
# Both calls minimise 1/2 \|\|u - noisy\|\|² + weight · TV(u). scikit-image's stops when its energy changes little from
# one iteration to the next, which is long before the minimum; ours stops at a tolerance of the image itself.


def seconds(call):
    """Of the second call, what it returns beside it."""
    call()
    started = time.perf_counter()
    image = call()
    return image, time.perf_counter() - started


theirs, their_time = seconds(lambda: denoise_tv_chambolle(noisy, weight))
ours, our_time = seconds(lambda: denoise_tv(noisy, weight, tol=1e-5))
exact = denoise_tv(noisy, weight, tol=1e-8)


def rms(image):
    """Distance from the minimum, in gray levels of 255."""
    return 255 * np.sqrt(np.mean((image - exact) ** 2))


def row(name, image, time_):
    psnr = -10 * np.log10(np.mean((image - clean) ** 2))
    print(f"{name:35} {rms(image):8.3f} {psnr:8.2f} {1e3 * time_:10.0f}")


print(f"{'':35} {'distance':>8} {'PSNR':>8} {'time':>10}")
print(f"{'':35} {'[/255]':>8} {'[dB]':>8} {'[ms]':>10}")
row("denoise_tv_chambolle, as it comes", theirs, their_time)
for eps in (1e-4, 1e-5, 1e-6):
    image, time_ = seconds(lambda eps=eps: denoise_tv_chambolle(noisy, weight, eps=eps, max_num_iter=10_000))
    row(f"denoise_tv_chambolle, eps={eps:.0e}", image, time_)
row("denoise_tv, tol=1e-3", *seconds(lambda: denoise_tv(noisy, weight, tol=1e-3)))
row("denoise_tv, tol=1e-5", ours, our_time)

# %%
# The PSNR hardly tells them apart: it speaks of the clean image, not of the minimum. Where the minimum matters (a prox
# within an algorithm, a gradient, a comparison of two regularizers) the distance does. It is not rounding:
figure, axes = plt.subplots(1, 4, figsize=(11, 3.2), layout="constrained")
for axis, image, title in zip(
    axes, (noisy, theirs, exact), ("noisy", "denoise_tv_chambolle", "the minimum: denoise_tv"), strict=False
):
    axis.imshow(image, cmap="gray", vmin=0, vmax=1)
    axis.set_title(title, fontsize=9)
difference = 255 * (theirs - exact)
drawn = axes[3].imshow(difference, cmap="RdBu_r", vmin=-6, vmax=6)
axes[3].set_title("their difference [gray levels]", fontsize=9)
figure.colorbar(drawn, ax=axes[3], shrink=0.8)
for axis in axes:
    axis.set_axis_off()

# %%
# A weight may differ from pixel to pixel, which scikit-image has no argument for. Here the right half is smoothed five
# times as hard as the left one; ``return_solution=True`` gives the duality gap beside the image.
weights = np.where(np.arange(clean.shape[1]) < clean.shape[1] // 2, 0.05, 0.25)
solution = denoise_tv(noisy, weights[None, :], tol=1e-5, return_solution=True)
print(f"relative duality gap {solution.gap:.1e}, converged: {solution.converged}, {solution.iterations} iterations")

figure, axis = plt.subplots(figsize=(3.6, 3.6), layout="constrained")
axis.imshow(solution.denoised, cmap="gray", vmin=0, vmax=1)
axis.set_title("weight 0.05 | weight 0.25", fontsize=9)
axis.set_axis_off()
