"""How the numbers of a table are written, whatever the format: digits, signs, and which entry is the best."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from difftv.lab.report.lines import Entry, Values
from difftv.lab.report.methods import ORACLE
from difftv.lab.report.paired import Difference
from difftv.lab.report.seeds import Estimate
from difftv.lab.report.settings import MISSING, Value, is_seed, show
from difftv.lab.report.table import Table
from difftv.metrics import meaning_of

LABELS = {"psnr": "PSNR", "ssim": "SSIM", "estimated_mse": "estimated MSE"}
DECIMALS = {
    "psnr": 2,
    "psnr_smooth": 2,
    "psnr_edge": 2,
    "ssim": 4,
}  # more digits would say nothing about images
BEST = {"higher": "higher is better", "lower": "lower is better", "zero": "best at 0", "one": "best at 1"}
SEPARATOR = " / "


MOST_IN_A_CELL = 2


@dataclass(frozen=True)
class TextRow:
    """One row as it is read: `row` heads a group of rows and is `new` in the first of them.

    `labels` are the method and, where metrics have rows of their own, the metric; `means` are the first numbers of the
    cells, NaN where there is none.
    """

    row: tuple[Value, ...]
    new: bool
    labels: tuple[str, ...]
    cells: tuple[str, ...]
    means: tuple[float, ...]


@dataclass(frozen=True)
class Notation:
    """The marks of one format. `number` turns plain digits, a sign, `inf` or `nan` into that format."""

    bold: Callable[[str], str]
    number: Callable[[str], str]
    plus_minus: str


def digits(metric: str, value: float) -> str:
    """25.123 dB -> 25.12; a metric without a usual precision gets three significant digits."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else f"{value}"
    return f"{value:.{DECIMALS[metric]}f}" if metric in DECIMALS else f"{value:#.3g}".rstrip(".")


def signed(metric: str, value: float) -> str:
    text = digits(metric, value)
    return text if text.startswith(("-", "nan")) else f"+{text}"


def column_heads(table: Table) -> list[str]:
    """`sigma = 15, patch_size = 32` for every column; one empty head when there are no column keys."""
    return [
        ", ".join(f"{key} = {show(value)}" for key, value in zip(table.column_keys, column, strict=True))
        for column in table.columns
    ]


def caption(table: Table) -> list[str]:
    """Sentences that say what the cells hold: metrics, units, protocol, seeds, what is bold and what is not."""
    shown = (SEPARATOR if len(table.metrics) <= MOST_IN_A_CELL else ", ").join(map(_describe, table.metrics))
    sentences = [f"{shown}.", f"{table.protocol}, mean over the images."]
    if any(map(is_seed, (*table.row_keys, *table.column_keys))):
        sentences.append("Every seed by itself.")
    elif table.seeds is None:
        sentences.append("Mean ± standard deviation over n seeds.")
    elif table.seeds > 1:
        sentences.append(f"Mean ± standard deviation over {table.seeds} seeds.")
    else:
        sentences.append("One seed.")
    if any(map(has_best, table.metrics)):
        oracle = any(line.method == ORACLE for line in table.lines)
        exception = "; the oracle, which sees the clean image, does not compete" if oracle else ""
        several = any(len(_conditions(table, column)) > 1 for column in range(len(table.columns)))
        within = " and each evaluated set" if several else ""
        sentences.append(f"Best of each column{within} in bold{exception}.")
    entries = [entry for line in table.lines for cell in line.cells for entry in cell]
    differences = [entry for entry in entries if isinstance(entry, Difference)]
    if differences:
        over = "images and the seeds" if any(entry.seeds > 1 for entry in differences) else "images"
        sentences.append(f"Differences are paired, image by image, with a 95 % bootstrap interval over the {over}.")
    return sentences


def _describe(metric: str) -> str:
    meaning = meaning_of(metric)
    if meaning is None or meaning.direction is None:
        return LABELS.get(metric, metric)
    unit = "dB, " if meaning.unit == "dB" else ""
    return f"{LABELS.get(metric, metric)} ({unit}{BEST[meaning.direction]})"


def goodness(metric: str, value: float) -> float | None:
    """Larger = better; None where no value of the metric is better than another, where unknown, and for NaN."""
    meaning = meaning_of(metric)
    if meaning is None or math.isnan(value):
        return None
    return {"higher": value, "lower": -value, "zero": -abs(value), "one": -abs(value - 1.0), None: None}[
        meaning.direction
    ]


def has_best(metric: str) -> bool:
    return goodness(metric, 0.0) is not None


def best_entries(table: Table) -> frozenset[tuple[int, int, int]]:
    """(line, column, metric) of every entry that reads like the best of its column; ties as printed are all best.

    Only numbers that were measured on the same images, crops, sigma and clipping compete with each other.
    """
    best: set[tuple[int, int, int]] = set()
    for column in range(len(table.columns)):
        for measured_on in _conditions(table, column):
            for index, metric in enumerate(table.metrics):
                candidates: dict[int, tuple[float, str]] = {}
                for position, line in enumerate(table.lines):
                    entry = line.cells[column][index]
                    competes = line.measured_on[column] == measured_on and line.method != ORACLE
                    if isinstance(entry, Estimate) and competes:
                        good = goodness(metric, entry.mean)
                        if good is not None:
                            candidates[position] = (good, digits(metric, entry.mean))
                if len(candidates) > 1:
                    _, winner = max(candidates.values(), key=lambda candidate: candidate[0])
                    best |= {(position, column, index) for position, (_, text) in candidates.items() if text == winner}
    return frozenset(best)


def _conditions(table: Table, column: int) -> list[Values]:
    """What the numbers of a column were measured on, each kind once."""
    return [c for c in dict.fromkeys(line.measured_on[column] for line in table.lines) if c is not None]


def layout(table: Table, notation: Notation) -> tuple[list[str], list[TextRow]]:
    """Heads of the label columns after the row keys, and the rows as text.

    One or two metrics share a cell; more of them get a row each, with the metric's name in a column of its own.
    """
    best = best_entries(table)
    every = range(len(table.metrics))
    joined = len(table.metrics) <= MOST_IN_A_CELL
    rows: list[TextRow] = []
    for position, line in enumerate(table.lines):
        for group in (every,) if joined else ((index,) for index in every):
            if not any(cell[index] for cell in line.cells for index in group):
                continue
            cells, means = [], []
            for column, entries in enumerate(line.cells):
                texts = [
                    _entry_text(table, entries[index], index, (position, column, index) in best, notation)
                    for index in group
                ]
                first = entries[group[0]]
                cells.append(SEPARATOR.join(texts) if any(entries[index] for index in group) else MISSING)
                means.append(math.nan if first is None else first.mean)
            metric = () if joined else (LABELS.get(table.metrics[group[0]], table.metrics[group[0]]),)
            new = not rows or rows[-1].row != line.row
            rows.append(TextRow(line.row, new, (line.method, *metric), tuple(cells), tuple(means)))
    return ["method"] if joined else ["method", "metric"], rows


def _entry_text(table: Table, entry: Entry, index: int, is_best: bool, notation: Notation) -> str:
    metric, seeds = table.metrics[index], table.seeds
    if entry is None:
        return MISSING
    if isinstance(entry, Difference):
        mean, low, high = (notation.number(signed(metric, value)) for value in (entry.mean, entry.low, entry.high))
        return mean if math.isnan(entry.low) else f"{mean} [{low}, {high}]"
    text = notation.number(digits(metric, entry.mean))
    if is_best:
        text = notation.bold(text)
    if entry.std is not None:
        text += notation.plus_minus + notation.number(digits(metric, entry.std))
    return text if entry.n == seeds or (seeds is None and entry.n == 1) else f"{text} (n={entry.n})"
