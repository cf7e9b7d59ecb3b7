"""The ablation table of a sweep: settings by settings, with a line for every way of denoising that a run measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from difftv.lab.report.evaluated import set_remarks
from difftv.lab.report.lines import Cells, Line, Values, comparable, method_lines, with_differences
from difftv.lab.report.means import common_means
from difftv.lab.report.methods import METHODS, bare_name
from difftv.lab.report.remarks import evaluation, key_remarks, metric_remarks, protocol
from difftv.lab.report.seeds import seed_keys
from difftv.lab.report.settings import (
    MISSING,
    PROTOCOL,
    Value,
    as_written,
    check_key,
    differing_keys,
    lookup,
    order,
    separate,
    show,
)
from difftv.lab.report.sweep import Absent, Run, Sweep
from difftv.printing import printable

USUAL = ("psnr", "ssim")
WITHOUT_CLEAN = ("estimated_mse", "loss")
"""In their place, where no run had clean images."""


@dataclass(frozen=True)
class Table:
    """An ablation table before it is written as Markdown, LaTeX, CSV or HTML.

    Attributes:
        name: name of the sweep.
        row_keys: keys of the configuration whose values head the rows.
        column_keys: keys of the columns, likewise.
        columns: values of the column keys, one tuple per column.
        metrics: metrics of every cell, in this order.
        lines: from top to bottom.
        protocol: images that the numbers were measured on, one sentence.
        seeds: number of runs behind each cell where that is the same everywhere, else None.
        notes: remarks that a reader must know before comparing.
        absent: runs of the sweep that are not in the table.
    """

    name: str
    row_keys: tuple[str, ...]
    column_keys: tuple[str, ...]
    columns: tuple[Values, ...]
    metrics: tuple[str, ...]
    lines: tuple[Line, ...]
    protocol: str
    seeds: int | None
    notes: tuple[str, ...]
    absent: tuple[Absent, ...]


def build_table(
    sweep: Sweep,
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = ("sigma",),
    metrics: Sequence[str] | None = None,
    reference: str | None = None,
    subset: Mapping[str, Sequence[str]] | None = None,
    seeds: Literal["join", "each"] = "join",
) -> Table:
    """Arrange the finished runs of a sweep.

    Runs that agree in every row and column key are averaged only if they differ in nothing but the seed; a key that
    would be averaged over becomes a row, and a note says so; different images are such a difference. Numbers are
    compared (best of a column, paired differences) only where they were measured on the same images, crops, sigma and
    clipping. Means are over the images on which everything compared has an answer; what is left out is in the notes.

    Args:
        sweep: sweep as `read_sweep` found it.
        rows: keys of the configuration, by default those that differ; the name of a group means the option chosen.
        columns: likewise.
        metrics: names as in result.json without `noisy/`, `baseline/`, ...; by default PSNR and SSIM, or what is
            estimated where no run had clean images.
        reference: value of a row key (`ecos`) or the name of a line (`scalar lambda`): adds the paired difference of
            every learned map to it, with a 95 % interval over the images.
        subset: key -> values; other runs are left out.
        seeds: "join" = runs that differ in nothing but the seed share a row, with mean, standard deviation and number;
            "each" = a row for every seed.

    Raises:
        ValueError: a key, a metric or the reference is in no run, or no finished run is left.
    """
    runs = _choose(sweep, subset or {})
    settings = [run.settings for run in runs]
    column_keys = tuple(key for key in columns if key != "sigma" or any("sigma" in each for each in settings))
    for key in (*rows, *column_keys):
        check_key(settings, key)
    metrics = _usual_metrics(runs) if metrics is None else metrics
    _check_metrics(runs, metrics)

    # Numbers measured on different images stand in different rows even where another key would keep them apart.
    mixed = tuple(key for key in PROTOCOL if key in differing_keys(settings) and key not in (*rows, *column_keys))
    added = separate(settings, (*rows, *mixed, *column_keys))
    apart = tuple(key for key in seed_keys(settings) if key not in (*rows, *column_keys)) if seeds == "each" else ()
    row_keys = (*rows, *(() if rows or added else _constant_row(settings)), *added, *mixed, *apart)
    cells = _arrange(runs, row_keys, column_keys)
    column_values = tuple(sorted({column for row in cells.values() for column in row}, key=_order_all))
    means = common_means(list(comparable(cells)), metrics)
    lines = method_lines(cells, column_values, metrics, means)
    remarks: list[str] = []
    if reference is not None:
        lines, remarks = with_differences(lines, cells, column_values, metrics, reference)
    sizes = {len(group) for row in cells.values() for group in row.values()}
    return Table(
        name=printable(sweep.directory.resolve().name),
        row_keys=row_keys,
        column_keys=column_keys,
        columns=column_values,
        metrics=tuple(metrics),
        lines=tuple(lines),
        protocol=protocol(settings),
        seeds=sizes.pop() if len(sizes) == 1 else None,
        notes=(
            *key_remarks(settings, (*row_keys, *column_keys), added=(*added, *mixed) if rows else mixed),
            *set_remarks(settings, [run.recorded for run in runs], evaluation),
            *means.remarks,
            *metric_remarks(runs, [prefix + metric for metric in metrics for prefix in METHODS.values()]),
            *remarks,
        ),
        absent=sweep.absent,
    )


def _choose(sweep: Sweep, subset: Mapping[str, Sequence[str]]) -> list[Run]:
    if not sweep.runs:
        raise ValueError(f"No run of {sweep.directory} has finished yet.")
    runs = list(sweep.runs)
    for key, values in subset.items():
        check_key([run.settings for run in runs], key)
        wanted = {as_written(value) for value in values}
        found = sorted({show(lookup(run.settings, key)) for run in runs})
        runs = [run for run in runs if show(lookup(run.settings, key)) in wanted]
        if not runs:
            raise ValueError(f"No finished run has {key}={','.join(values)}. Its values are: {', '.join(found)}.")
    return runs


def _usual_metrics(runs: Sequence[Run]) -> tuple[str, ...]:
    known = {name for run in runs for name in run.metrics}
    estimated = tuple(name for name in WITHOUT_CLEAN if name in known)
    return USUAL if USUAL[0] in known or not estimated else estimated


def _check_metrics(runs: Sequence[Run], metrics: Sequence[str]) -> None:
    known = {bare_name(name) for run in runs for name in run.metrics}
    for metric in metrics:
        if metric not in known:
            raise ValueError(f"No run has the metric {metric!r}. There are: {', '.join(sorted(known))}.")


def _constant_row(settings: Sequence[Mapping[str, Value]]) -> tuple[str, ...]:
    return ("solver",) if any(lookup(each, "solver") != MISSING for each in settings) else ()


def _arrange(runs: Sequence[Run], row_keys: Sequence[str], column_keys: Sequence[str]) -> Cells:
    cells: dict[Values, dict[Values, list[Run]]] = {}
    for run in runs:
        row = tuple(lookup(run.settings, key) for key in row_keys)
        column = tuple(lookup(run.settings, key) for key in column_keys)
        cells.setdefault(row, {}).setdefault(column, []).append(run)
    return {row: cells[row] for row in sorted(cells, key=_order_all)}


def _order_all(values: Values) -> list[tuple[bool, float, str]]:
    return [order(value) for value in values]
