"""Signals and volumes: the exact solver over sizes and weights, and isotropic TV beside scikit-image at equal error.

python -m benchmarks.volumes                   (a minute or two; --side 128 for the larger volumes)

Time is that of the process on one thread, so that a busy machine counts little. The volume is a ball in a box with
noise of standard deviation 0.1, the signal a thousand steps with noise 0.3.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from skimage.restoration import denoise_tv_chambolle

from difftv.regularizers import AnisotropicTV, IsotropicTV
from difftv.solvers import Admm, Exact, Solver

T = TypeVar("T")

LAM = (0.01, 0.03, 0.08, 0.2, 0.5, 1.0)
ISOTROPIC_LAM = 0.08
ALLOWED = 1e-4
"""Root mean square distance from the minimum, of images in [0, 1], at which both are compared."""


def ball(side: int) -> torch.Tensor:
    """(1, 1, side, side, side)."""
    places = np.indices((side,) * 3) / side
    clean = 0.6 * (((places - 0.5) ** 2).sum(0) < 0.1)
    noise = np.random.default_rng(0).normal(size=clean.shape)
    return torch.from_numpy(clean + 0.1 * noise)[None, None]


def steps(samples: int) -> torch.Tensor:
    """(1, 1, samples)."""
    generator = np.random.default_rng(0)
    clean = np.repeat(generator.normal(size=samples // 1000), 1000)
    return torch.from_numpy(clean + 0.3 * generator.normal(size=clean.shape))[None, None]


def seconds(call: Callable[..., T], *arguments: Any, **options: Any) -> tuple[T, float]:
    """What the call returns, and the time of the process."""
    started = time.process_time()
    found = call(*arguments, **options)
    return found, time.process_time() - started


def exact(side: int) -> None:
    solver, y = Exact(AnisotropicTV(axes=3)), ball(side)
    solver(ball(8), torch.full((1, 1, 8, 8, 8), 0.05))  # compile
    for lam in LAM:
        found, taken = seconds(solver, y, torch.full_like(y, lam))
        print(f"| {side}^3 | {lam:g} | {taken:.2f} | {float(found.gap):.0e} |", flush=True)


def signal(samples: int) -> None:
    solver, y = Exact(AnisotropicTV(axes=1)), steps(samples)
    for lam in (0.1, 1.0, 10.0, 100.0):
        found, taken = seconds(solver, y, torch.full_like(y, lam))
        print(f"| {samples} samples | {lam:g} | {taken:.2f} | {float(found.gap):.0e} |", flush=True)
    _, theirs = seconds(denoise_tv_chambolle, y[0, 0].numpy(), 1.0)
    print(f"| {samples} samples, `denoise_tv_chambolle` as it comes | 1 | {theirs:.2f} | |", flush=True)


def isotropic(side: int) -> None:
    """Both with the loosest tolerance that comes within the allowed distance of the minimum."""
    y = ball(side)
    maps = torch.full_like(y, ISOTROPIC_LAM)
    regularizer = IsotropicTV(axes=3)
    best = Admm(regularizer, tol=1e-7, max_iter=5000, dtype=torch.float64)(y, maps).denoised

    def distance(denoised: torch.Tensor) -> float:
        return float((denoised.double() - best).square().mean().sqrt())

    for tol in (1e-4, 3e-5, 1e-5, 5e-6):
        solver: Solver = Admm(regularizer, tol=tol)
        found, ours = seconds(solver, y.float(), maps.float())
        error = distance(found.denoised)
        if error <= ALLOWED:
            print(f"| `Admm`, tol={tol:g} | {error:.1e} | {ours:.2f} |", flush=True)
            break
    noisy = y[0, 0].float().numpy()
    for count in (400, 1600, 3200, 6400, 12800):
        theirs, taken = seconds(denoise_tv_chambolle, noisy, ISOTROPIC_LAM, eps=0.0, max_num_iter=count)
        error = distance(torch.from_numpy(theirs)[None, None])
        if error <= ALLOWED or count == 12800:
            print(f"| `denoise_tv_chambolle`, {count} iterations | {error:.1e} | {taken:.2f} |", flush=True)
            break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--side", type=int, nargs="+", default=[32, 64], help="sides of the volumes of the exact solver"
    )
    parser.add_argument("--isotropic", type=int, default=64, help="side of the isotropic comparison")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| size | lam | seconds | relative gap |\n|---|---|---|---|")
    for side in options.side:
        exact(side)
    signal(1_000_000)
    print(f"\n| isotropic, {options.isotropic}^3, lam {ISOTROPIC_LAM} | distance (rms) | seconds |\n|---|---|---|")
    isotropic(options.isotropic)


if __name__ == "__main__":
    main()
