"""Markdown, LaTeX and CSV: right numbers, and no name of a run or value of a configuration that breaks the format."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from difftv.lab.report import build_table, read_sweep, to_csv, to_latex, to_markdown
from difftv.lab.report.latex import escape as escape_latex
from difftv.lab.report.markdown import escape as escape_markdown
from tests.report.conftest import Writer

NASTY = r"""a_b%c&d#e${f}g~h^i\j "k" <b>|*[x]*` -- café Ñ Łódź λσ 中文 ±…"""


@pytest.fixture
def nasty(sweep: Path, write_run: Writer) -> Path:
    """Hostile text everywhere that a run can put text, first in a row included."""
    write_run(NASTY.replace("/", ""), {"choices.solver": NASTY, "note": "[1, 2]"})
    write_run("b", {"choices.solver": "*scs", "note": NASTY}, metrics={"psnr": None, "ssim": "Infinity"})
    write_run("c\n\\end{document}", {"choices.solver": "x"}, state="failed", error=NASTY)
    return sweep


def test_markdown_has_one_cell_per_column(nasty: Path) -> None:
    text = to_markdown(build_table(read_sweep(nasty), rows=["note", "solver"]))
    grid = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in grid} == {5}
    assert len({len(line) for line in grid}) <= 2  # wide characters count twice on a terminal
    assert "Not in the table (1):" in text
    assert "**29.00**" in text


def test_markdown_escapes_only_what_formats() -> None:
    assert escape_markdown("patch_size = 32") == "patch_size = 32"
    assert escape_markdown("a|b\nc") == "a\\|b c"
    assert escape_markdown("_a_ <b>*") == "\\_a\\_ \\<b\\>\\*"


def test_markdown_cells(write_run: Writer, sweep: Path) -> None:
    for seed, psnr in enumerate((28.0, 29.0)):
        write_run(f"seed={seed}", {"seed": seed}, metrics={"psnr": psnr})
    text = to_markdown(build_table(read_sweep(sweep)))
    assert re.search(r"\| scs +\| noisy +\| +20\.20 ± 0\.00 / 0\.4000 ± 0\.0000 \|", text)
    assert "**28.50** ± 0.71 / **0.8100** ± 0.0000 |" in text
    assert "over 2 seeds" in text
    write_run("sigma=15", {"sigma": 15})
    assert "(n=2)" in to_markdown(build_table(read_sweep(sweep)))


def test_three_metrics_get_a_row_each(demo: Path) -> None:
    metrics = ["psnr", "ssim", "solver/forward_seconds"]
    text = to_markdown(build_table(read_sweep(demo), metrics=metrics, reference="ecos"))
    grid = [re.split(r" +\| +", line.strip("| ")) for line in text.splitlines() if line.startswith("|")]
    assert grid[0][:3] == ["solver", "method", "metric"]
    assert ["ecos", "noisy", "PSNR", "23.00", "20.00", "17.00"] in grid
    assert ["learned map", "solver/forward_seconds", "0.500", "0.500", "0.500"] in grid
    assert not any("noisy" in row and "solver/forward_seconds" in row for row in grid)
    assert sum("minus" in cell for row in grid for cell in row) == 2
    assert "does not hold the metric" in text


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("a_b%&#$", r"a\_b\%\&\#\$"),
        ("{~^\\}", r"\{\textasciitilde{}\textasciicircum{}\textbackslash{}\}"),
        ("a---b", "a-{}-{}-b"),
        ("é ï Ź ß", "é ï Ź ß"),
        ("λ µ", r"\texttt{U+03BB} $\mu$"),
        ("中", r"\texttt{U+4E2D}"),
        ("a\nb\x00", "a b "),
        ("[x]*", "{[}x{]}{*}"),
    ],
)
def test_latex_escapes(text: str, latex: str) -> None:
    assert escape_latex(text) == latex


def test_latex_is_a_complete_table(nasty: Path) -> None:
    text = to_latex(build_table(read_sweep(nasty), rows=["note", "solver"], reference="scalar lambda"))
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {3}
    assert "λ" not in body
    assert "中" not in body
    assert "\\end{document}" not in "".join(line for line in text.splitlines() if not line.startswith("%"))


def test_latex_compiles_as_it_is(nasty: Path, tmp_path: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    table = to_latex(build_table(read_sweep(nasty), rows=["note", "solver"], reference="scalar lambda"))
    head = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "paper.tex").write_text(head + table + "\\end{document}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60)
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert "Missing character" not in log
    assert (tmp_path / "paper.pdf").stat().st_size > 0


def test_csv_is_tidy_and_exact(demo: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(build_table(read_sweep(demo), reference="ecos")))))
    key = {"solver": "ecos", "sigma": "25", "method": "learned map", "metric": "psnr"}
    (row,) = (row for row in rows if key.items() <= row.items())
    assert float(row["mean"]) == 29.25
    assert row["std"] == ""
    assert row["n"] == "1"
    differences = [row for row in rows if row["method"] == "learned map minus ecos"]
    assert len(differences) == 6
    assert {row["n"] for row in differences} == {"4"}
    assert all(float(row["low"]) <= float(row["mean"]) + 1e-9 for row in differences)


def test_csv_keeps_any_text(nasty: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(build_table(read_sweep(nasty), rows=["solver"])))))
    assert NASTY in {row["solver"] for row in rows}
