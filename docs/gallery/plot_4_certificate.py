"""
Reading a certificate
=====================

Every answer carries its relative duality gap. It bounds the distance from the minimum, without knowing the minimum.
"""

# %%
# The relative gap is (P - D) / (1/2 \|\|y - mean(y)\|\|²), with the energy P of the answer and a lower bound D of
# every energy, which the solver's dual variable gives. The energy is strongly convex: 1/2 \|\|u - u*\|\|² is at most
# P - D. So
#
# ::
#
#     rms(u - u*)  <=  std(y) sqrt(gap)
#
# A piece of ``moon`` with noise of sigma 25, isotropic total variation, by ``admm`` at ever smaller tolerances:
import numpy as np
import torch
from matplotlib import pyplot as plt
from skimage.data import moon

from difftv import Admm, AnisotropicTV, Exact, IsotropicTV
from difftv.noise import add_noise

clean = torch.from_numpy(moon()[200:264, 40:104].copy())[None, None].double() / 255
noisy = add_noise(clean, sigma=25, seed=0)
lam = torch.full_like(noisy, 0.1)
exact = Admm(IsotropicTV(), tol=1e-9, max_iter=20_000, dtype=torch.float64)(noisy, lam)

print("tol      iterations   relative gap    bound of rms    rms found   [gray levels]")
bounds, found = [], []
for tol in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
    solution = Admm(IsotropicTV(), tol=tol, dtype=torch.float64)(noisy, lam)
    gap = float(solution.gap)
    bounds.append(255 * float(noisy.std(correction=0)) * gap**0.5)
    found.append(255 * float((solution.denoised - exact.denoised).square().mean().sqrt()))
    print(f"{tol:.0e} {int(solution.iterations):12d} {gap:14.1e} {bounds[-1]:15.4f} {found[-1]:12.5f}")
    assert found[-1] <= bounds[-1]

# %%
# The bound holds everywhere, and is several times larger than what is found: a gap speaks of the worst case.
figure, axis = plt.subplots(figsize=(5, 3.4), layout="constrained")
axis.loglog(found, bounds, "o-", label="bound")
axis.loglog(found, found, color="0.6", linewidth=1, label="bound = distance")
axis.legend(fontsize=9)
axis.set_xlabel("rms distance from the minimum [gray levels]")
axis.set_ylabel("bound from the gap [gray levels]")

# %%
# ``converged`` says whether the solver met its own tolerance; an answer that did not is given back all the same, and a
# training can be told what to do with it (``trainer.on_not_converged``):
stopped = Admm(IsotropicTV(), max_iter=20)(noisy.float(), lam.float())
print("20 iterations: converged", bool(stopped.converged), f"gap {float(stopped.gap):.1e}")

# %%
# The exact solver of the anisotropic family ends with a gap of zero to rounding, whatever the weight:
for weight in (0.01, 0.1, 1.0):
    solution = Exact(AnisotropicTV())(noisy, torch.full_like(noisy, weight))
    print(f"lam = {weight}: gap {float(solution.gap):.0e}")

# %%
# **What it does not say.** A small gap is no good picture: it speaks of the minimum, not of the clean image. And it
# says nothing of a gradient, which needs more digits than the image does: in a picture of flat pieces a difference of
# a thousandth joins two pieces or not. :doc:`/benchmarks` has the error of the gradients of every solver.
differences = np.abs(np.diff(solution.denoised[0, 0].numpy(), axis=1))
print(f"lam = {weight}: {100 * np.mean(differences == 0):.1f} % of the horizontal differences are exactly 0")
