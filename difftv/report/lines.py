"""The lines of a table: one for every way of denoising that the runs measured, and the differences between them."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from difftv.report.paired import Difference, paired_difference
from difftv.report.settings import Value, as_written, show
from difftv.report.sweep import Run

METHODS: Mapping[str, str] = {
    "noisy": "noisy/",
    "scalar lambda": "baseline/",
    "oracle lambda": "oracle/",
    "reference": "reference/",
    "learned map": "",
}
"""Name of a line -> prefix of its metrics in result.json, from nothing done to the method itself."""

LEARNED = "learned map"
ORACLE = "oracle lambda"  # chosen with the clean image at hand: a bound, not a competitor

Values = tuple[Value, ...]
"""The values of the row keys, or of the column keys."""

Cells = Mapping[Values, Mapping[Values, Sequence[Run]]]
"""Row -> column -> the runs there, which differ in nothing but the seed."""


@dataclass(frozen=True)
class Estimate:
    """Mean over the seeds, with the sample standard deviation where there are several."""

    mean: float
    std: float | None
    n: int


Entry = Estimate | Difference | None


@dataclass(frozen=True)
class Line:
    """One line: `cells[column][metric]`; `row` are the values of the row keys."""

    row: Values
    method: str
    cells: tuple[tuple[Entry, ...], ...]


def bare_name(metric: str) -> str:
    """`noisy/psnr` -> `psnr`: the metric without the line that it belongs to."""
    prefix = next((prefix for prefix in METHODS.values() if prefix and metric.startswith(prefix)), "")
    return metric.removeprefix(prefix)


def method_lines(cells: Cells, columns: Sequence[Values], metrics: Sequence[str]) -> list[Line]:
    """Row by row, a line for every method of which any run there knows any of the metrics."""
    lines = []
    for row, groups in cells.items():
        for method, prefix in METHODS.items():
            entries = tuple(tuple(_estimate(groups.get(c, ()), prefix + m) for m in metrics) for c in columns)
            if any(entry for cell in entries for entry in cell):
                lines.append(Line(row, method, entries))
    return lines


def with_differences(
    lines: Sequence[Line], cells: Cells, columns: Sequence[Values], metrics: Sequence[str], reference: str
) -> tuple[list[Line], list[str]]:
    """The lines with a paired difference to the reference after each learned map, and what is to be said about them.

    Raises:
        ValueError: the reference is neither a value of a row key nor another line.
    """
    _check_reference(reference, cells)
    extended, broken = [], False
    for line in lines:
        extended.append(line)
        found = _reference(reference, line.row, cells) if line.method == LEARNED else None
        if found is None:
            continue
        (row, prefix), differences = found, []
        for column in columns:
            ours, theirs = cells[line.row].get(column, ()), cells[row].get(column, ())
            pairs = tuple(paired_difference(ours, metric, theirs, prefix + metric) for metric in metrics)
            differences.append(pairs)
            both = (_estimate(ours, m) and _estimate(theirs, prefix + m) for m in metrics)
            broken |= any(means and pair is None for means, pair in zip(both, pairs, strict=True))
        if any(pair for cell in differences for pair in cell):
            extended.append(Line(line.row, f"{LEARNED} minus {reference}", tuple(differences)))
    remark = "Some paired differences are missing: the images differ, or per_image.csv does not hold the metric."
    return extended, [remark] if broken else []


def _estimate(runs: Sequence[Run], metric: str) -> Estimate | None:
    values = [run.metrics[metric] for run in runs if metric in run.metrics]
    if not values:
        return None
    # statistics would raise on the infinite PSNR of a perfect image
    finite = all(map(math.isfinite, values))
    return Estimate(
        mean=statistics.fmean(values) if finite else sum(values) / len(values),
        std=statistics.stdev(values) if finite and len(values) > 1 else None,
        n=len(values),
    )


def _check_reference(reference: str, cells: Cells) -> None:
    lines = [method for method in METHODS if method != LEARNED]
    values = [show(value) for row in cells for value in row]
    if reference not in lines and as_written(reference) not in values:
        choices = ", ".join(dict.fromkeys([*values, *lines]))
        raise ValueError(f"The reference {reference!r} is no row of the table to compare with. There are: {choices}.")


def _reference(reference: str, row: Values, cells: Cells) -> tuple[Values, str] | None:
    """The row that this one is compared with and the prefix of the metrics there; None where there is none."""
    if reference in METHODS:
        return row, METHODS[reference]
    for other in cells:
        differing = [index for index, value in enumerate(other) if value != row[index]]
        if len(differing) == 1 and show(other[differing[0]]) == as_written(reference):
            return other, ""
    return None
