"""
The problem, its units, and what the weights do
===============================================

A noisy image ``y`` is replaced by the image ``u`` that balances nearness to ``y`` against roughness::

    u*(y, maps) = argmin_u  1/2 ||u - y||^2 + R(u; maps)

    R = sum_ij lam[i,j] |D u|[i,j]                          total variation
    R = sum_ij lam[i,j] max(|D u|[i,j] - gam[i,j], 0)       tvpwl: slopes up to gam are free
    R = min_v  sum_ij lam1 |D u - v| + lam2 |E v|           tgv: jumps cost lam1, changes of slope lam2

``D u`` holds the differences of every pixel to those below and to the right. The sum of squares is over all pixels, and
the factor 1/2 belongs to it: other texts and libraries put 1, or a mean, or the factor on the other side, and their
weights are other numbers (:doc:`where they differ </interop>`).

**Units.** Intensities are in [0, 1]; ``lam``, ``lam1`` and ``lam2`` are intensities too, ``gam`` is intensity per
pixel. Noise is given as ``sigma`` in 8-bit units: sigma 25 is a standard deviation of 25 / 255 = 0.098. A weight near
that number is where to begin: 0.05 to 0.15 for sigma 25. Multiply image and weights by the same number, and the result
is multiplied by it.
"""

# %%
# lam: how much contrast a piece gives up
# ---------------------------------------
# A crop of ``coffee``, in gray, with noise of sigma 25:
import numpy as np
from matplotlib import pyplot as plt
from skimage.color import rgb2gray
from skimage.data import coffee

from difftv import denoise_tv

clean = rgb2gray(coffee())[100:196, 190:286]
noisy = clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape)


def show(images, titles):
    _, axes = plt.subplots(1, len(images), figsize=(11, 11 / len(images) + 0.4), layout="constrained")
    for axis, image, title in zip(axes, images, titles, strict=True):
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()


def psnr(image):
    return -10 * np.log10(np.mean((image - clean) ** 2))


lams = (0.02, 0.1, 0.5)
results = [denoise_tv(noisy, lam, regularizer="anisotropic") for lam in lams]
titles = [f"lam = {lam}, {psnr(u):.1f} dB" for lam, u in zip(lams, results, strict=True)]
show([noisy, *results], [f"noisy, {psnr(noisy):.1f} dB", *titles])

# %%
# Larger = smoother: noise goes, then texture, then everything of low contrast. What is lost can be said in advance. A
# stripe of width w and contrast c in a wide background keeps the contrast c - 2 lam / w and its sharp edges, and is
# gone where that is not positive:
stripe = np.zeros((40, 400))
stripe[:, 195:205] = 0.5
for lam in (0.1, 1.0, 2.0, 3.0):
    denoised = denoise_tv(stripe, lam, regularizer="anisotropic")
    kept = denoised[20, 200] - denoised[20, 100]
    background = 2 * lam / 390 if kept > 0 else 0
    print(f"lam = {lam}: contrast {kept:.3f}, expected about {max(0.5 - 2 * lam / 10 - background, 0):.3f}")

# %%
# And the unit of lam is that of the image:
eight_bit = denoise_tv(255 * noisy, 255 * 0.1, regularizer="anisotropic")
print("largest difference after scaling:", np.abs(eight_bit / 255 - results[1]).max())

# %%
# A map: a weight per pixel
# -------------------------
# The weight need not be one number. Here it is small where the clean image has edges, by the best of a dozen formulas
# that were tried on this very crop with the clean image in hand: it shows what a map can do. A network is trained to
# predict such a map from the noisy image alone.
rows, columns = np.gradient(clean)
map_ = 0.03 + 0.09 * np.exp(-np.hypot(rows, columns) / 0.04)
with_map = denoise_tv(noisy, map_, regularizer="anisotropic")
best = max((denoise_tv(noisy, lam, regularizer="anisotropic") for lam in np.geomspace(0.03, 0.2, 10)), key=psnr)
show(
    [clean, best, with_map, map_ / map_.max()],
    ["clean", f"best single number, {psnr(best):.1f} dB", f"map, {psnr(with_map):.1f} dB", "map (white: 0.12)"],
)

# %%
# gam: the slope that is free
# ---------------------------
# Total variation charges for slopes as for jumps, and makes stairs of them. In ``tvpwl``, differences up to ``gam``
# cost nothing. It works the other way round than ``lam``: **larger = less smooth**. At 0 it is total variation;
# beyond the slopes of the image, noise of that height stays.
gams = (0.0, 0.005, 0.02, 0.06)
results = [denoise_tv(noisy, [0.12, gam], regularizer="tvpwl") for gam in gams]
show(results, [f"gam = {gam}, {psnr(u):.1f} dB" for gam, u in zip(gams, results, strict=True)])

# %%
# lam2: the price of a change of slope
# ------------------------------------
# In ``tgv`` a field v may explain slopes for free, and ``lam2`` is what its changes cost. Small: v explains the jumps
# as well, and noise comes back. Large: slopes hardly change, in the limit the image is one slope plus jumps. ``lam1``
# is the price of jumps, as ``lam`` is.
shares = (0.5, 1, 3, 20)
results = [denoise_tv(noisy, [0.1, share * 0.1], regularizer="tgv", tol=1e-5) for share in shares]
show(results, [f"lam2 = {share:g} lam1, {psnr(u):.1f} dB" for share, u in zip(shares, results, strict=True)])

# %%
# The names and starts of all maps: :doc:`/regularizers`. All words and signs: :doc:`/notation`.
