"""Deblurring Cameraman, House and Monarch with kernels of Levin and others: scalar regularizers, PSNR and seconds.

    python -m benchmarks.deblurring path/to/Set12 path/to/kernels/Levin09.mat

Protocol of the plug-and-play tables: circular convolution with kernels 1 and 3 of the file (counted from 0), white
noise of sigma 2.55 and 7.65 (8-bit units, seed 0 for every image), PSNR of the whole image, means of both kernels and
the three images. One weight per noise level, tuned on Peppers and Starfish with kernel 1 by half octaves; of the
shipped model `gray`, which was trained to denoise and is told sigma 10, the factor on its maps. Set12 is taken as
01.png, 02.png, ..; the kernels lie in cszn/DPIR (MATLAB 7.3: needs the extra matlab). Prints a Markdown table.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.markdown import grid
from difftv.denoiser import Denoiser
from difftv.extras import require
from difftv.lab.data import open_images
from difftv.lab.data.patches import to_tensor
from difftv.linear import Convolution, first_look
from difftv.metrics import psnr
from difftv.noise import noise_std
from difftv.noise.base import standard_normal
from difftv.reconstructor import Reconstructor
from difftv.regularizers import TVTV2, FilterBank, IsotropicTV, Regularizer
from difftv.solvers import Admm, Solution

MEASURED, TUNED = ("01", "02", "05"), ("03", "04")
KERNELS = (1, 3)
SIGMAS = (2.55, 7.65)
REGULARIZERS: Mapping[str, Regularizer] = {
    "isotropic TV": IsotropicTV(),
    "TV-TV2": TVTV2(),
    "filters, one map": FilterBank(),
}
_TOLD = 10.0
MODEL = f"model gray, told sigma {_TOLD:g}, one factor"
Solve = Callable[[Tensor, Convolution, float], Solution]
"""Measurements, operator, weight -> solution."""

_START = -9.0
"""Exponent of two of the first weight at sigma 2.55; four times as much at three times the noise."""


@dataclass(frozen=True)
class DeblurringRow:
    """One method at one noise level."""

    method: str
    sigma: float
    weight: float | None
    psnr: float
    seconds: float
    converged: bool


def kernels(path: Path) -> list[Tensor]:
    """All kernels of the file.

    Raises:
        MissingDependencyError: h5py is not installed.
    """
    require("matlab", "h5py", by="A file of MATLAB 7.3")
    import h5py

    with h5py.File(path) as file:
        # MATLAB stores columns first.
        found = [np.array(file[reference]).T for reference in np.ravel(file["kernels"])]
    return [torch.from_numpy(kernel.astype(np.float32)) for kernel in found]


def measure(images: Tensor, others: Tensor, blurs: Sequence[Convolution]) -> list[DeblurringRow]:
    """The rows of all regularizers.

    Args:
        images: (batch, 1, height, width), those that are measured.
        others: those that the weights are tuned on, with the first kernel.
        blurs: the operators.
    """
    rows = []
    for sigma in SIGMAS:
        looks = [float(psnr(first_look(A, blurred(images, A, sigma)), images).mean()) for A in blurs]
        rows.append(DeblurringRow("first look", sigma, None, sum(looks) / len(looks), 0.0, True))
        for name, solve in _methods().items():
            start = 0.0 if name == MODEL else _START
            weight = tuned(solve, others, blurs[0], sigma, start + (2.0 if sigma > SIGMAS[0] else 0.0))
            started, values, converged = time.perf_counter(), [], True
            for A in blurs:
                solution = solve(blurred(images, A, sigma), A, weight)
                values.append(float(psnr(solution.denoised, images).mean()))
                converged = converged and bool(solution.converged.all())
            seconds = (time.perf_counter() - started) / (len(blurs) * len(images))
            rows.append(DeblurringRow(name, sigma, weight, sum(values) / len(values), seconds, converged))
            print(rows[-1], file=sys.stderr)
    return rows


def blurred(images: Tensor, blur: Convolution, sigma: float) -> Tensor:
    """The measurements; every image has the same draw."""
    data = blur.apply(images)
    return data + noise_std(sigma) * standard_normal(data[:1], 0)


def tuned(solve: Solve, images: Tensor, blur: Convolution, sigma: float, start: float) -> float:
    """The weight with the best mean PSNR, uphill by half octaves from 2^start."""
    y, seen = blurred(images, blur, sigma), {}

    def score(exponent: float) -> float:
        if exponent not in seen:
            found = solve(y, blur, 2.0**exponent).denoised
            seen[exponent] = float(psnr(found, images).mean())
        return seen[exponent]

    best = start
    while (next_best := max((best - 0.5, best, best + 0.5), key=score)) != best:
        best = next_best
    return 2.0**best


def to_markdown(rows: Sequence[DeblurringRow]) -> str:
    """One row per method, PSNR at both noise levels."""
    body = []
    for name in dict.fromkeys(row.method for row in rows):
        of_method = [row for row in rows if row.method == name]
        weights = ", ".join("" if row.weight is None else f"{row.weight:.2g}" for row in of_method)
        marks = [f"{row.psnr:.2f}{'' if row.converged else ' (not converged)'}" for row in of_method]
        body.append([name, weights.strip(", "), *marks, f"{max(row.seconds for row in of_method):.1f}"])
    return grid([["method", "lam", *(f"sigma {sigma:g}" for sigma in SIGMAS), "seconds per image"], *body], left=2)


def _methods() -> dict[str, Solve]:
    methods = {name: _scalar(regularizer) for name, regularizer in REGULARIZERS.items()}
    gray = Denoiser.pretrained("gray").requires_grad_(False)
    solver = Admm(gray.solver.regularizer, tol=3e-5, max_iter=500)

    def model(y: Tensor, blur: Convolution, factor: float) -> Solution:
        return Reconstructor(gray.predictor, solver, factor)(y, blur, sigma=_TOLD)

    return {**methods, MODEL: model}


def _scalar(regularizer: Regularizer) -> Solve:
    solver = Admm(regularizer, tol=3e-5, max_iter=500)

    def solve(y: Tensor, blur: Convolution, weight: float) -> Solution:
        values = torch.tensor(regularizer.starts(weight), dtype=y.dtype).reshape(1, -1, 1, 1)
        return solver(y, values.expand(len(y), -1, *y.shape[2:]), operator=blur)

    return solve


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="folder of Set12, 01.png to 12.png")
    parser.add_argument("kernels", type=Path, help="Levin09.mat")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    blurs = [Convolution(kernels(options.kernels)[index]) for index in KERNELS]
    both = []
    for names in (MEASURED, TUNED):
        images = open_images([options.images / f"{name}.png" for name in names], cache_dir=None)
        both.append(torch.cat([to_tensor(images[index]) for index in range(len(images))]))
    print(to_markdown(measure(both[0], both[1], blurs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
