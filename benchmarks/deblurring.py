"""Deblurring Cameraman, House and Monarch with kernels of Levin and others: PSNR and seconds, beside published numbers.

    python -m benchmarks.deblurring path/to/Set12 path/to/kernels/Levin09.mat
    python -m benchmarks.deblurring path/to/Set12 path/to/kernels/Levin09.mat --learned RUN

Protocol of the plug-and-play tables: circular convolution with kernels 1 and 3 of the file (counted from 0), white
noise of sigma 2.55 and 7.65 (8-bit units, seed 0 for every image), PSNR of the whole image, means of the three images.
One weight per noise level, tuned on Peppers and Starfish with kernel 1 by half octaves; of the shipped models, which
were trained to denoise, likewise one factor on their maps. `--learned` takes a run of `experiment=deblurring` (its
directory, or a model file), whose maps are used as they are, and once more averaged over the look turned and mirrored
in all eight ways, as the plug-and-play method averages its images.

Set12 is taken as 01.png, 02.png, ..; the kernels lie in cszn/DPIR (MATLAB 7.3: needs the extra matlab). Writes
docs/measurements/deblurring.json (with `--only`, the other rows of the document stay), redraws docs/results.md and
prints the table.
"""

import argparse
import functools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.markdown import Table, three_digits, to_markdown
from benchmarks.study import uphill, write
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
LOOK, LEARNED = "first look", "learned for deblurring"
ENSEMBLE = f"{LEARNED}, maps of eight turns"
REGULARIZERS: Mapping[str, Regularizer] = {
    "isotropic TV": IsotropicTV(),
    "TV-TV2": TVTV2(),
    "filters, one map": FilterBank(),
}
_MODELS = {f"model {name}, one factor": name for name in ("gray-small", "gray")}
PUBLISHED = {
    ("DRUNet plug-and-play, published"): {(1, 2.55): 33.75, (3, 2.55): 33.49, (1, 7.65): 29.81, (3, 7.65): 29.70}
}
"""Zhang, Li, Zuo, Zhang, Van Gool, Timofte 2022, "Plug-and-play image restoration with deep denoiser prior"."""

COMMAND = "python -m benchmarks.deblurring path/to/Set12 path/to/Levin09.mat --learned RUN"

Solve = Callable[[Tensor, Convolution, float], Solution]
"""Measurements, operator, weight or factor -> solution."""

_START = -9.0
"""Exponent of two of the first weight at sigma 2.55; four times as much at three times the noise."""


@dataclass(frozen=True)
class DeblurringRow:
    """One method with one kernel at one noise level.

    Attributes:
        method: its name.
        kernel: number of the kernel.
        sigma: noise level in 8-bit units.
        weight: lam, or the factor on the maps; None where nothing was tuned.
        psnr: mean over the images, dB.
        seconds: CPU seconds per image, of one thread.
        gap: largest relative duality gap of the solves; None where nothing was solved.
        converged: whether all solves reached their tolerance.
    """

    method: str
    kernel: int
    sigma: float
    weight: float | None
    psnr: float
    seconds: float
    gap: float | None
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


def measure(
    images: Tensor, others: Tensor, blurs: Mapping[int, Convolution], methods: Mapping[str, "Method"]
) -> list[DeblurringRow]:
    """The rows of some methods.

    Args:
        images: (batch, 1, height, width), those that are measured.
        others: those that weights and factors are tuned on, with the first kernel.
        blurs: operators by the number of their kernel.
        methods: methods by their name.
    """
    rows = []
    for sigma in SIGMAS:
        for name, method in methods.items():
            solve, weight = method.at(sigma), None
            if method.start is not None:
                weight = tuned(solve, others, next(iter(blurs.values())), sigma, method.start(sigma))
            for kernel, A in blurs.items():
                y, started = blurred(images, A, sigma), time.process_time()
                solution = solve(y, A, 1.0 if weight is None else weight)
                seconds = (time.process_time() - started) / len(images)
                rows.append(
                    DeblurringRow(
                        method=name,
                        kernel=kernel,
                        sigma=sigma,
                        weight=weight,
                        psnr=float(psnr(solution.denoised, images).mean()),
                        seconds=seconds,
                        gap=float(solution.gap.max()) if name != LOOK else None,
                        converged=bool(solution.converged.all()),
                    )
                )
                print(rows[-1], file=sys.stderr)
    return rows


def blurred(images: Tensor, blur: Convolution, sigma: float) -> Tensor:
    """The measurements; every image has the same draw."""
    data = blur.apply(images)
    return data + noise_std(sigma) * standard_normal(data[:1], 0)


def tuned(solve: Solve, images: Tensor, blur: Convolution, sigma: float, start: float) -> float:
    """The weight with the best mean PSNR, uphill by half octaves from 2^start."""
    y = blurred(images, blur, sigma)
    return 2.0 ** uphill(lambda exponent: float(psnr(solve(y, blur, 2.0**exponent).denoised, images).mean()), start)


@dataclass(frozen=True)
class Method:
    """A way of deblurring.

    Attributes:
        at: noise level -> how it solves.
        start: noise level -> exponent of two at which the search for a weight begins; None where nothing is tuned.
    """

    at: Callable[[float], Solve]
    start: Callable[[float], float] | None = None


def methods(learned: Path | None = None) -> dict[str, Method]:
    """All methods by name; the learned one where a run is given."""

    def louder(sigma: float) -> float:
        return 2.0 if sigma > SIGMAS[0] else 0.0

    found = {LOOK: Method(lambda sigma: _look)}
    for name, regularizer in REGULARIZERS.items():
        found[name] = Method(_whatever_level(scalar(regularizer)), lambda sigma: _START + louder(sigma))
    for name, model in _MODELS.items():
        found[name] = Method(functools.partial(_solve, Reconstructor.pretrained(model)), lambda sigma: 0.0)
    if learned is not None:
        trained = Reconstructor.load(learned)
        found[LEARNED] = Method(functools.partial(_solve, trained))
        found[ENSEMBLE] = Method(functools.partial(_solve, trained.self_ensemble()))
    return found


def _whatever_level(solve: Solve) -> Callable[[float], Solve]:
    return lambda sigma: solve


def scalar(regularizer: Regularizer) -> Solve:
    """The solve with constant maps."""
    solver = Admm(regularizer, tol=3e-5, max_iter=500)

    def solve(y: Tensor, blur: Convolution, weight: float) -> Solution:
        values = torch.tensor(regularizer.starts(weight), dtype=y.dtype).reshape(1, -1, 1, 1)
        return solver(y, values.expand(len(y), -1, *y.shape[2:]), operator=blur)

    return solve


def _look(y: Tensor, blur: Convolution, weight: float) -> Solution:
    look = first_look(blur, y)
    nothing = torch.zeros(len(y), dtype=torch.float64)
    return Solution(look, look[:, :0], nothing, nothing.long(), nothing == 0)


def _solve(model: Reconstructor, sigma: float) -> Solve:
    model.requires_grad_(False)
    solver = Admm(model.solver.regularizer, tol=3e-5, max_iter=500)

    def solve(y: Tensor, blur: Convolution, factor: float) -> Solution:
        reconstructor = Reconstructor(model.predictor, solver, factor, model.looks)
        return reconstructor(
            y, blur, sigma=reconstructor.level(y, blur, sigma) if model.predictor.sigma_input else None
        )

    return solve


def deblurring_table(rows: Sequence[DeblurringRow]) -> Table:
    """One line per method, those of others among them; PSNR with every kernel at every noise level."""
    columns = list(dict.fromkeys((row.kernel, row.sigma) for row in rows))
    lines = []
    for name in dict.fromkeys(row.method for row in rows):
        of_method = {(row.kernel, row.sigma): row for row in rows if row.method == name}
        weights = dict.fromkeys("" if row.weight is None else f"{row.weight:.2g}" for row in of_method.values())
        marks = [
            f"{of_method[at].psnr:.2f}{'' if of_method[at].converged else ' (not converged)'}"
            if at in of_method
            else ""
            for at in columns
        ]
        seconds = max(row.seconds for row in of_method.values())
        lines.append((name, ", ".join(weights).strip(", "), *marks, three_digits(seconds)))
    for name, values in PUBLISHED.items():
        lines.append((name, "", *(f"{values[at]:.2f}" if at in values else "" for at in columns), ""))
    gaps = [row.gap for row in rows if row.gap is not None]
    return Table(
        title="Deblurring",
        remark=f"Mean PSNR of three images in dB; CPU seconds on one thread; largest relative gap {max(gaps):.0e}.",
        heads=(
            "method",
            "lam, or factor",
            *(f"kernel {kernel}, sigma {sigma:g}" for kernel, sigma in columns),
            "seconds per image",
        ),
        rows=lines,
        words=2,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    from benchmarks.published import DOCUMENTS, redraw
    from benchmarks.stored import read

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="folder of Set12, 01.png to 12.png")
    parser.add_argument("kernels", type=Path, help="Levin09.mat")
    parser.add_argument("--learned", type=Path, metavar="RUN", help="run of experiment=deblurring")
    parser.add_argument("--only", nargs="+", metavar="METHOD", help="methods to measure; the other rows stay")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    found = methods(options.learned)
    if unknown := set(options.only or ()) - set(found):
        parser.error(f"no method {', '.join(sorted(unknown))}: {', '.join(found)}")
    every = kernels(options.kernels)
    blurs = {index: Convolution(every[index]) for index in KERNELS}
    both = []
    for names in (MEASURED, TUNED):
        images = open_images([options.images / f"{name}.png" for name in names], cache_dir=None)
        both.append(torch.cat([to_tensor(images[index]) for index in range(len(images))]))
    path = DOCUMENTS / "deblurring.json"
    kept = read(path).found["deblurring"].rows if options.only and path.exists() else []
    with torch.no_grad():
        rows = measure(
            both[0], both[1], blurs, {name: found[name] for name in found if name in (options.only or found)}
        )
    order = list(found) + [row.method for row in kept]
    rows += [row for row in kept if row.method not in {new.method for new in rows}]
    rows.sort(key=lambda row: (order.index(row.method), row.sigma, row.kernel))
    write(path, "deblurring", rows, COMMAND)
    redraw()
    print(to_markdown(deblurring_table(rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
