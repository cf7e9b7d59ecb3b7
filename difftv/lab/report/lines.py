"""The lines of a table: one for every way of denoising that the runs measured, and the differences between them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from difftv.lab.report.evaluated import conditions, unlike
from difftv.lab.report.means import Means
from difftv.lab.report.methods import LEARNED, METHODS, NETWORK
from difftv.lab.report.paired import Difference, paired_difference
from difftv.lab.report.seeds import Estimate, estimate
from difftv.lab.report.settings import Value, as_written, lookup, show
from difftv.lab.report.sweep import Run

Values = tuple[Value, ...]
"""The values of the row keys, or of the column keys."""

Cells = Mapping[Values, Mapping[Values, Sequence[Run]]]
"""Row -> column -> the runs there, which differ in nothing but the seed."""


Entry = Estimate | Difference | None


@dataclass(frozen=True)
class Line:
    """One line: `cells[column][metric]`.

    `row` are the values of the row keys, `measured_on[column]` is what the numbers there can be compared by
    (`difftv.lab.report.evaluated.conditions`), None in an empty cell.
    """

    row: Values
    method: str
    cells: tuple[tuple[Entry, ...], ...]
    measured_on: tuple[Values | None, ...]


def comparable(cells: Cells) -> Iterator[list[Run]]:
    """The runs of every column that were measured on the same data."""
    groups: dict[tuple[Values, Values], list[Run]] = {}
    for columns in cells.values():
        for column, runs in columns.items():
            for run in runs:
                groups.setdefault((column, conditions(run.settings)), []).append(run)
    yield from groups.values()


def method_lines(cells: Cells, columns: Sequence[Values], metrics: Sequence[str], means: Means) -> list[Line]:
    """Row by row, a line for every method of which any run there knows any of the metrics."""
    lines = []
    for row, groups in cells.items():
        measured_on = tuple(conditions(groups[c][0].settings) if groups.get(c) else None for c in columns)
        for method, prefix in METHODS.items():
            entries = tuple(tuple(_estimate(groups.get(c, ()), prefix + m, means) for m in metrics) for c in columns)
            if any(entry for cell in entries for entry in cell):
                lines.append(Line(row, _learned(groups) if method == LEARNED else method, entries, measured_on))
    return lines


def with_differences(
    lines: Sequence[Line], cells: Cells, columns: Sequence[Values], metrics: Sequence[str], reference: str
) -> tuple[list[Line], list[str]]:
    """The lines with a paired difference to the reference after each learned map, and what is to be said about them.

    Raises:
        ValueError: the reference is neither a value of a row key nor another line.
    """
    _check_reference(reference, cells)
    extended: list[Line] = []
    remarks: dict[str, None] = {}
    for line in lines:
        extended.append(line)
        found = _reference(reference, line.row, cells) if line.method in (LEARNED, NETWORK) else None
        if found is None:
            continue
        row, prefix = found
        differences: list[tuple[Entry, ...]] = []
        for column in columns:
            ours, theirs = cells[line.row].get(column, ()), cells[row].get(column, ())
            other = unlike([run.settings for run in ours], [run.settings for run in theirs]) if ours and theirs else ""
            if other:
                remarks[f"No difference of {_named(line.row)} to {reference}, measured on other data: {other}."] = None
                differences.append((None,) * len(metrics))
                continue
            pairs = tuple(paired_difference(ours, metric, theirs, prefix + metric) for metric in metrics)
            differences.append(pairs)
            both = (_known(ours, m) and _known(theirs, prefix + m) for m in metrics)
            if any(means and pair is None for means, pair in zip(both, pairs, strict=True)):
                remarks["Some paired differences are missing: per_image.csv does not hold the metric."] = None
        if any(pair for cell in differences for pair in cell):
            method = f"{line.method} minus {reference}"
            extended.append(Line(line.row, method, tuple(differences), line.measured_on))
    return extended, list(remarks)


def _learned(groups: Mapping[Values, Sequence[Run]]) -> str:
    """Name of what the runs of a row have learned."""
    found = {lookup(run.settings, "method") for runs in groups.values() for run in runs}
    return NETWORK if found == {"network"} else LEARNED


def _estimate(runs: Sequence[Run], metric: str, means: Means) -> Estimate | None:
    values = [value for run in runs if (value := means.of(run, metric)) is not None]
    return estimate(values) if values else None


def _known(runs: Sequence[Run], metric: str) -> bool:
    return any(metric in run.metrics for run in runs)


def _named(row: Values) -> str:
    return ", ".join(map(show, row)) or "the learned map"


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
