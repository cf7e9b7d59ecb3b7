"""A table as Markdown, aligned so that it also reads well in a terminal."""

import re
import unicodedata

from difftv.lab.report.notation import Notation, caption, column_heads, layout
from difftv.lab.report.settings import show
from difftv.lab.report.sweep import Absent
from difftv.lab.report.table import Table
from difftv.printing import printable

_NOTATION = Notation(bold=lambda text: f"**{text}**", number=lambda text: text, plus_minus=" ± ")


def to_markdown(table: Table) -> str:
    """The caption, the table, its notes, and the runs that are not in it."""
    labels, rows = layout(table, _NOTATION)
    heads = [*table.row_keys, *labels, *(head or "all runs" for head in column_heads(table))]
    body = []
    for row in rows:
        values = [show(value) if row.new else "" for value in row.row]
        body.append([*map(escape, (*values, *row.labels)), *row.cells])
    left = len(table.row_keys) + len(labels)
    parts = [f"### {escape(table.name)}", " ".join(caption(table)), grid([list(map(escape, heads)), *body], left)]
    if table.notes:
        parts.append("\n".join(f"- {escape(note)}" for note in table.notes))
    if table.absent:
        parts.append(absent_list(table.absent))
    return "\n\n".join(parts) + "\n"


def absent_list(absent: tuple[Absent, ...]) -> str:
    """The runs that no table shows, one per line, with the reason and the log."""
    lines = [f"Not in the table ({len(absent)}):", ""]
    for run in absent:
        log = f" ({run.log})" if run.log else ""
        lines.append(f"- {run.state}: {escape(run.name)}: {escape(run.reason)}{escape(log)}")
    return "\n".join(lines)


def escape(text: str) -> str:
    """Plain text in a cell or a line: nothing in it formats, splits the cell, or ends the line."""
    text = re.sub(r"[\x00-\x1f\x7f]+", " ", printable(text))
    text = re.sub(r"([\\|`*<>\[\]])", r"\\\1", text)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)  # an underscore inside a word is harmless: patch_size


def grid(rows: list[list[str]], left: int) -> str:
    """Rows of finished cells as a table, the heads first; the first `left` columns are text, the others numbers."""
    widths = [max(3, *(_width(row[column]) for row in rows)) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        pads = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        cells = [
            f"{cell}{pad}" if k < left else f"{pad}{cell}" for k, (cell, pad) in enumerate(zip(row, pads, strict=True))
        ]
        lines.append(f"| {' | '.join(cells)} |")
        if number == 0:
            rules = ["-" * width if k < left else "-" * (width - 1) + ":" for k, width in enumerate(widths)]
            lines.append(f"| {' | '.join(rules)} |")
    return "\n".join(lines)


def _width(text: str) -> int:
    """Columns that a terminal gives the text: wide East Asian characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )
