r"""A table as a complete LaTeX `table` environment; the preamble needs `\usepackage{booktabs}`, nothing else."""

import re
import unicodedata

from difftv.lab.report.notation import Notation, caption, column_heads, layout
from difftv.lab.report.settings import show
from difftv.lab.report.table import Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    # after \\ a bracket would open an optional argument and a star would be one
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MINUS SIGN}": "$-$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{MIDDLE DOT}": r"$\cdot$",
    "\N{MICRO SIGN}": r"$\mu$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "\N{RIGHTWARDS ARROW}": r"$\to$",
    "\N{INFINITY}": r"$\infty$",
    "\N{EN DASH}": r"\textendash{}",
    "\N{EM DASH}": r"\textemdash{}",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{NO-BREAK SPACE}": "~",
} | {character: f"\\{character}" for character in "_%&#${}"}


def to_latex(table: Table) -> str:
    """A `table` environment for pdfLaTeX (of 2018 or later, which reads UTF-8); the absent runs follow as comments."""
    labels, rows = layout(table, _NOTATION)
    left = len(table.row_keys) + len(labels)
    heads = [*table.row_keys, *labels, *(head or "all runs" for head in column_heads(table))]
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{escape(' '.join((f'{table.name}:', *caption(table), *table.notes)))}}}",
        rf"\label{{tab:{re.sub(r'[^A-Za-z0-9]+', '-', table.name).strip('-') or 'sweep'}}}",
        rf"\begin{{tabular}}{{{'l' * left}{'c' * len(table.columns)}}}",
        r"\toprule",
        " & ".join(map(escape, heads)) + r" \\",
    ]
    for row in rows:
        if row.new:
            lines.append(r"\midrule")
        values = [show(value) if row.new else "" for value in row.row]
        lines.append(" & ".join([*map(escape, (*values, *row.labels)), *row.cells]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    lines += [f"% not in the table: {_one_line(f'{run.state}: {run.name}: {run.reason}')}" for run in table.absent]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text that pdfLaTeX sets as it reads; a character that its standard fonts lack is named, U+4E2D."""
    escaped = "".join(map(_character, unicodedata.normalize("NFC", text)))
    return re.sub("-(?=-)", "-{}", escaped)  # two hyphens would become a dash


def _character(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isascii():
        return character if character.isprintable() else " "
    base, *marks = list(unicodedata.normalize("NFD", character))
    if character <= "\u017f" and (character in "ßæÆœŒøØłŁ" or (len(marks) == 1 and base.isascii() and base.isalpha())):
        return character
    return rf"\texttt{{U+{ord(character):04X}}}"


def _number(text: str) -> str:
    text = text.replace("inf", r"\infty")
    return f"${text}$" if not text[:1].isdigit() and text != "nan" else text


def _one_line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+", " ", text)


_NOTATION = Notation(bold=lambda text: rf"\textbf{{{text}}}", number=_number, plus_minus=r" $\pm$ ")
