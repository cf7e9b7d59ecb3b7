"""Compiling the cone program: seconds, peak memory, and whether the memory estimate is right."""

from collections.abc import Sequence
from dataclasses import dataclass
from timeit import timeit

from benchmarks.markdown import Table, mebibytes, three_digits
from benchmarks.own_process import in_own_process, peak_bytes, resident_bytes
from benchmarks.reference_layer import bare_layer
from difftv.regularizers import Regularizer
from difftv.solvers.cvxpy_layer import build_bytes

_WARM_UP = 4
"""Side of the program that is compiled first, so that libraries and their buffers are not counted."""


@dataclass(frozen=True)
class BuildRow:
    """The cone program of one regularizer at one patch size.

    Attributes:
        regularizer: its name.
        num_maps: channels of the map.
        patch_size: side of a patch in pixels.
        seconds: compilation, once.
        peak: memory at its peak over what the process held before, in bytes.
        estimate: result of `build_bytes`, in bytes.
    """

    regularizer: str
    num_maps: int
    patch_size: int
    seconds: float
    peak: int
    estimate: int


def measure_build(regularizer: Regularizer, patch_size: int) -> BuildRow:
    """Compile once, in a process of its own.

    Raises:
        ProblemTooLargeError: memory ran out.
    """
    seconds, peak = in_own_process(_compile, regularizer, patch_size)
    return BuildRow(
        regularizer=regularizer.name,
        num_maps=regularizer.num_maps,
        patch_size=patch_size,
        seconds=seconds,
        peak=peak,
        estimate=build_bytes(regularizer, patch_size, patch_size),
    )


def build_table(rows: Sequence[BuildRow]) -> Table:
    return Table(
        title="Compiling the cone program",
        remark="Once per patch size and process, whatever the batch; each in a process of its own, single measurement. "
        "Memory is the peak over what the process held before; the estimate is meant to hold within a factor 1.5.",
        heads=("regularizer", "maps", "patch [px]", "time [s]", "peak [MiB]", "estimate [MiB]", "estimate/peak"),
        rows=[
            (
                row.regularizer,
                str(row.num_maps),
                str(row.patch_size),
                three_digits(row.seconds),
                mebibytes(row.peak),
                mebibytes(row.estimate),
                three_digits(row.estimate / row.peak),
            )
            for row in rows
        ],
    )


def _compile(regularizer: Regularizer, side: int) -> tuple[float, int]:
    bare_layer(regularizer, _WARM_UP, _WARM_UP)
    before = resident_bytes()
    seconds = timeit(lambda: bare_layer(regularizer, side, side), number=1)
    return seconds, max(1, peak_bytes() - before)
