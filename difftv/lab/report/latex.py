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
    "\N{LATIN SMALL LETTER SHARP S}": r"\ss{}",
    "\N{LATIN SMALL LETTER O WITH STROKE}": r"\o{}",
    "\N{LATIN CAPITAL LETTER O WITH STROKE}": r"\O{}",
    "\N{LATIN SMALL LETTER AE}": r"\ae{}",
    "\N{LATIN CAPITAL LETTER AE}": r"\AE{}",
    "\N{LATIN SMALL LETTER L WITH STROKE}": r"\l{}",
} | {character: f"\\{character}" for character in "_%&#${}"}
# the letters that have a macro; LaTeX sets the others, capital alpha for example, as Latin letters
_GREEK = re.compile(
    "GREEK (?:SMALL LETTER (ALPHA|BETA|GAMMA|DELTA|EPSILON|ZETA|ETA|THETA|IOTA|KAPPA|LAMDA|MU|NU|XI|PI|RHO|SIGMA|TAU"
    "|UPSILON|PHI|CHI|PSI|OMEGA)|CAPITAL LETTER (GAMMA|DELTA|THETA|LAMDA|XI|PI|SIGMA|UPSILON|PHI|PSI|OMEGA))"
)
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u0304": "=", "\u0307": ".",
    "\u0306": "u ", "\u030a": "r ", "\u030b": "H ", "\u030c": "v ", "\u0327": "c ", "\u0328": "k ",
}  # fmt: skip
_BELOW = "\u0327\u0328"


def to_latex(table: Table) -> str:
    """A `table` environment that compiles with pdfLaTeX; the absent runs follow as comments."""
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
    if greek := _GREEK.fullmatch(unicodedata.name(character, "")):
        small, capital = (name and name.replace("LAMDA", "LAMBDA") for name in greek.groups())
        return rf"$\{small.lower() if small else capital.capitalize()}$"
    base, mark = (*unicodedata.normalize("NFD", character), "", "")[:2]
    if base.isascii() and base.isalpha() and mark in _ACCENTS and len(unicodedata.normalize("NFD", character)) == 2:
        dotless = rf"\{base}" if base in "ij" and mark not in _BELOW else base
        return rf"\{_ACCENTS[mark]}{{{dotless}}}"
    return rf"\texttt{{U+{ord(character):04X}}}"


def _number(text: str) -> str:
    text = text.replace("inf", r"\infty")
    return f"${text}$" if not text[:1].isdigit() and text != "nan" else text


def _one_line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+", " ", text)


_NOTATION = Notation(bold=lambda text: rf"\textbf{{{text}}}", number=_number, plus_minus=r" $\pm$ ")
