"""Results as Markdown that also reads well in a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.clock import Spread, spread
from difftv.lab.report.markdown import grid


@dataclass(frozen=True)
class Table:
    """What is shown: every head names its unit, `remark` the threads and the batch; `words` columns of text lead."""

    title: str
    remark: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    words: int = 1


def to_markdown(table: Table) -> str:
    rows = grid([list(table.heads), *map(list, table.rows)], table.words)
    return "\n".join([f"### {table.title}", "", table.remark, "", rows])


def milliseconds(seconds: Sequence[float]) -> str:
    """The median, three digits."""
    return three_digits(1e3 * spread(seconds).median)


def between(values: Spread) -> str:
    return f"{three_digits(values.median)} ({three_digits(values.low)} to {three_digits(values.high)})"


def three_digits(value: float) -> str:
    """Three significant digits without an exponent where they fit: 0.0123, 1.23, 123, 12346."""
    if value == 0 or not 1e-3 <= abs(value) < 1e6:
        return f"{value:.2e}" if value else "0"
    digits = max(0, 2 - _exponent(value))
    return f"{value:.{digits}f}"


def mebibytes(size: float) -> str:
    return three_digits(size / 2**20)


def _exponent(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])
