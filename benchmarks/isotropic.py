"""`admm` forward and backward: beside deepinv at its error, its memory, its devices."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.clock import Seconds, Spread, paired_ratio, take_turns, training_step
from benchmarks.inputs import LAM, Inputs, natural_image
from benchmarks.markdown import Table, between, mebibytes, milliseconds
from benchmarks.own_process import in_own_process, peak_bytes, resident_bytes
from benchmarks.peers import require_deepinv, rms
from difftv.errors import DiffTVError
from difftv.regularizers import IsotropicTV
from difftv.solvers.admm import Admm
from difftv.types import Image

REFERENCE_TOL = 1e-9
"""Of `admm` in float64: far below the errors that are compared."""

TOLERANCES = (1e-4, 3e-5, 1e-5, 3e-6, 1e-6)
DOUBLE_TOLERANCES = (1e-6, 3e-7, 1e-7, 3e-8, 1e-8)

DEEPINV_ITERATIONS = 1000
"""Its default; it may stop earlier by its own criterion."""

_WARM_UP = 32


@dataclass(frozen=True)
class IsotropicRow:
    """One solver on one image in float32.

    Attributes:
        work: step that is timed, `forward` or `forward and backward`.
        solver: its name, and the device where it is not the CPU.
        setting: accuracy that it was set to.
        batch, height, width: shape of the images, in pixels.
        threads: threads of torch.
        seconds: seconds of `forward`, and of `backward` where there is one, per round.
        over_first: the sum of both over that of the first row with the same work and images, paired.
        error: root mean square of the difference to the minimiser, in intensity; None where it was not measured.
        peak: memory at its peak over what the process held before, image included there, in bytes; None likewise.
    """

    work: str
    solver: str
    setting: str
    batch: int
    height: int
    width: int
    threads: int
    seconds: Seconds
    over_first: Spread
    error: float | None
    peak: int | None


@dataclass(frozen=True)
class Setting:
    """A solver and what its accuracy is set to; it can be sent to another process.

    Attributes:
        solver: a key of `_SOLVERS`.
        option: the name of the number, as the solver calls it.
        value: the number.
    """

    solver: str
    option: str
    value: float

    def __str__(self) -> str:
        return f"{self.option}={self.value:g}"

    def solve(self, noisy: Image) -> Image:
        return _SOLVERS[self.solver](noisy, **{self.option: self.value})


def measure_deepinv(photograph: Path, side: int, repeats: int) -> list[IsotropicRow]:
    """Forward and backward: deepinv's `TVDenoiser` and autograd through its iterations; admm at its error or below,
    in float64, and in float32 as near as that comes.

    Raises:
        MissingDependencyError: deepinv is not installed, or cannot be imported.
    """
    require_deepinv()
    inputs, exact = _problem(photograph, side)
    peer = Setting("deepinv TVDenoiser", "n_it_max", DEEPINV_ITERATIONS)
    reached = rms(peer.solve(inputs.noisy) - exact)
    single = _loosest((Setting("admm", "tol", tol) for tol in TOLERANCES), inputs, exact, reached)
    double = _loosest((Setting("admm, float64", "tol", tol) for tol in DOUBLE_TOLERANCES), inputs, exact, reached)
    turns = take_turns({one: partial(_step, one, inputs) for one in (double, single, peer)}, repeats)
    peaks = {one: in_own_process(_peak, one, photograph, side, torch.get_num_threads()) for one in turns}
    return _rows("forward and backward", turns, inputs, exact, peaks)


def measure_memory(photograph: Path, side: int, iterations: Sequence[int], repeats: int) -> list[IsotropicRow]:
    """Forward and backward of admm with the numbers of iterations set: time grows with them, memory does not."""
    inputs, exact = _problem(photograph, side)
    settings = [Setting("admm, iterations fixed", "max_iter", count) for count in iterations]
    turns = take_turns({one: partial(_step, one, inputs) for one in settings}, repeats)
    peaks = {one: in_own_process(_peak, one, photograph, side, torch.get_num_threads()) for one in turns}
    return _rows("forward and backward", turns, inputs, exact, peaks)


def measure_device(photograph: Path, side: int, batch: int, repeats: int) -> list[IsotropicRow]:
    """Forward and backward of admm on this machine's CPU and on its accelerator.

    Raises:
        DiffTVError: there is no accelerator.
    """
    if not torch.accelerator.is_available():
        raise DiffTVError("no accelerator (cuda, mps) on this machine")
    device = torch.accelerator.current_accelerator()
    assert device is not None
    one = natural_image(photograph, side, side)
    inputs = {
        place: Inputs(*(part.float().expand(batch, -1, -1, -1).to(place) for part in (one.clean, one.noisy, one.lam)))
        for place in ("cpu", device.type)
    }
    setting = Setting("admm", "tol", TOLERANCES[-2])
    turns = take_turns({place: partial(_step, setting, there) for place, there in inputs.items()}, repeats)
    first = turns["cpu"]
    return [
        _row(
            "forward and backward",
            f"admm on {place}",
            str(setting),
            one.noisy.expand(batch, -1, -1, -1),
            seconds,
            first,
        )
        for place, seconds in turns.items()
    ]


def isotropic_table(rows: Sequence[IsotropicRow]) -> Table:
    first = rows[0]
    return Table(
        title="Isotropic total variation: admm and others",
        remark=f"Float32, lam {LAM:g} everywhere, {first.threads} thread(s), {len(first.seconds['forward'])} round(s) "
        "in turns; ratios are paired round by round: median (smallest to largest). Errors against admm in float64 at "
        f"tol={REFERENCE_TOL:.0e}. Memory: peak over what the process held before. n/a: not measured.",
        heads=(
            "work",
            "batch of images [px]",
            "solver",
            "set to",
            "forward [ms]",
            "backward [ms]",
            "over the first",
            "rms error [intensity]",
            "peak [MiB]",
        ),
        rows=[
            (
                row.work,
                f"{row.batch} of {row.height}x{row.width}",
                row.solver,
                row.setting,
                milliseconds(row.seconds["forward"]),
                milliseconds(row.seconds["backward"]) if "backward" in row.seconds else "none",
                between(row.over_first),
                "n/a" if row.error is None else f"{row.error:.1e}",
                "n/a" if row.peak is None else mebibytes(row.peak),
            )
            for row in rows
        ],
        words=4,
    )


def _admm(noisy: Image, tol: float) -> Image:
    return Admm(IsotropicTV(), tol=tol)(noisy, torch.full_like(noisy.detach(), LAM)).denoised


def _admm_for(noisy: Image, max_iter: int) -> Image:
    """That many iterations, in float64, where the tolerance is not reached before."""
    solver = Admm(IsotropicTV(), tol=1e-14, max_iter=max_iter, dtype=torch.float64)
    return solver(noisy, torch.full_like(noisy.detach(), LAM)).denoised


def _admm_double(noisy: Image, tol: float) -> Image:
    solver = Admm(IsotropicTV(), tol=tol, max_iter=20000, dtype=torch.float64)
    return solver(noisy, torch.full_like(noisy.detach(), LAM)).denoised


def _deepinv(noisy: Image, n_it_max: int) -> Image:
    from deepinv.models import TVDenoiser

    # A new one each time: it would begin with the state of the call before.
    return TVDenoiser(n_it_max=n_it_max)(noisy, LAM)


_SOLVERS: Mapping[str, Callable[..., Image]] = {
    "admm": _admm,
    "admm, float64": _admm_double,
    "admm, iterations fixed": _admm_for,
    "deepinv TVDenoiser": _deepinv,
}


def _problem(photograph: Path, side: int) -> tuple[Inputs, Image]:
    """A photograph in float32 and the minimiser in float64."""
    inputs = natural_image(photograph, side, side)
    with torch.no_grad():
        exact = Admm(IsotropicTV(), tol=REFERENCE_TOL, max_iter=20000, dtype=torch.float64)(
            inputs.noisy, torch.full_like(inputs.noisy, LAM)
        ).denoised
    return Inputs(inputs.clean.float(), inputs.noisy.float(), torch.full_like(inputs.lam, LAM).float()), exact


def _loosest(settings: Iterator[Setting], inputs: Inputs, exact: Image, error: float) -> Setting:
    """The first one that gives the error or less, else the last one."""
    for one in settings:
        with torch.no_grad():
            if rms(one.solve(inputs.noisy) - exact) <= error:
                break
    return one


def _step(setting: Setting, inputs: Inputs) -> dict[str, float]:
    """Down to the gradient in the noisy image, which every contestant has."""
    return training_step(setting.solve, inputs.noisy, inputs.clean)


def _peak(setting: Setting, photograph: Path, side: int, threads: int) -> int:
    torch.set_num_threads(threads)
    small = natural_image(photograph, _WARM_UP, _WARM_UP)
    _once(setting, small.noisy.float(), small.clean.float())
    image = natural_image(photograph, side, side)
    noisy, clean = image.noisy.float(), image.clean.float()
    before = resident_bytes()
    _once(setting, noisy, clean)
    return max(1, peak_bytes() - before)


def _once(setting: Setting, noisy: Image, clean: Image) -> None:
    noisy.requires_grad_()
    (setting.solve(noisy) - clean).square().mean().backward()


def _rows(
    work: str,
    turns: Mapping[Setting, Seconds],
    inputs: Inputs,
    exact: Image,
    peaks: Mapping[Setting, int] | None = None,
) -> list[IsotropicRow]:
    first = next(iter(turns.values()))
    with torch.no_grad():
        return [
            _row(
                work,
                one.solver,
                str(one),
                inputs.noisy,
                seconds,
                first,
                error=rms(one.solve(inputs.noisy) - exact),
                peak=peaks[one] if peaks else None,
            )
            for one, seconds in turns.items()
        ]


def _row(
    work: str,
    solver: str,
    setting: str,
    images: Image,
    seconds: Seconds,
    first: Seconds,
    *,
    error: float | None = None,
    peak: int | None = None,
) -> IsotropicRow:
    batch, _, height, width = images.shape
    ratio = paired_ratio(_total(seconds), _total(first))
    threads = torch.get_num_threads()
    return IsotropicRow(work, solver, setting, batch, height, width, threads, seconds, ratio, error, peak)


def _total(seconds: Seconds) -> list[float]:
    return [sum(phases) for phases in zip(*seconds.values(), strict=True)]
