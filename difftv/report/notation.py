"""How the numbers of a table are written, whatever the format: digits, signs, and which entry is the best."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from difftv.report.paired import Difference
from difftv.report.settings import MISSING, show
from difftv.report.table import ORACLE, Entry, Estimate, Table

LABELS = {"psnr": "PSNR", "ssim": "SSIM"}
UNITS = {"psnr": "dB", "psnr_smooth": "dB", "psnr_edge": "dB"}
DECIMALS = {"psnr": 2, "psnr_smooth": 2, "psnr_edge": 2, "ssim": 4}  # more digits than images can support say nothing
SEPARATOR = " / "


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
    return f"{value:.{DECIMALS[metric]}f}" if metric in DECIMALS else f"{value:.3g}"


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
    shown = " / ".join(_describe(metric) for metric in table.metrics)
    sentences = [f"{shown}.", f"{table.protocol}, mean over the images."]
    if table.seeds is None:
        sentences.append("Mean ± standard deviation over n seeds.")
    elif table.seeds > 1:
        sentences.append(f"Mean ± standard deviation over {table.seeds} seeds.")
    else:
        sentences.append("One seed.")
    if any(line.method == ORACLE for line in table.lines):
        sentences.append("Best of each column in bold; the oracle, which sees the clean image, does not compete.")
    else:
        sentences.append("Best of each column in bold.")
    if any(isinstance(entry, Difference) for line in table.lines for cell in line.cells for entry in cell):
        sentences.append("Differences are paired, image by image, with a 95 % bootstrap interval over the images.")
    return sentences


def _describe(metric: str) -> str:
    sign = direction(metric)
    better = {1: "higher is better", -1: "lower is better", 0: ""}[sign]
    return f"{LABELS.get(metric, metric)} " + f"({', '.join(filter(None, (UNITS.get(metric, ''), better)))})" * bool(
        sign or metric in UNITS
    )


def direction(metric: str) -> int:
    """1: higher is better, -1: lower is better, 0: neither, or unknown."""
    return {"psnr": 1, "ssim": 1}.get(metric, 0)


def best_entries(table: Table) -> frozenset[tuple[int, int, int]]:
    """(line, column, metric) of every entry that reads like the best of its column; ties as printed are all best."""
    best: set[tuple[int, int, int]] = set()
    for column in range(len(table.columns)):
        for index, metric in enumerate(table.metrics):
            sign = direction(metric)
            candidates = {
                position: entry.mean
                for position, line in enumerate(table.lines)
                if isinstance(entry := line.cells[column][index], Estimate)
                and line.method != ORACLE
                and not math.isnan(entry.mean)
            }
            if not sign or len(candidates) < 2:
                continue
            winner = digits(metric, max(candidates.values(), key=lambda mean: sign * mean))
            best |= {
                (position, column, index) for position, mean in candidates.items() if digits(metric, mean) == winner
            }
    return frozenset(best)


def cell_text(table: Table, line: int, column: int, best: frozenset[tuple[int, int, int]], notation: Notation) -> str:
    """One cell, its metrics joined by ` / `."""
    entries = table.lines[line].cells[column]
    if not any(entries):
        return MISSING
    return SEPARATOR.join(
        _entry_text(metric, entry, (line, column, index) in best, table.seeds, notation)
        for index, (metric, entry) in enumerate(zip(table.metrics, entries, strict=True))
    )


def _entry_text(metric: str, entry: Entry, is_best: bool, seeds: int | None, notation: Notation) -> str:
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
