"""The pages on regularizers, data term and gradients say what the code does; their examples run."""

import re
import subprocess
import sys

import pytest

import difftv
from benchmarks.ramp import CANDIDATES
from difftv.predictors.base import INITIAL_LAM
from difftv.regularizers import BY_NAME as REGULARIZERS
from difftv.regularizers import Regularizer
from difftv.solvers import BY_NAME as SOLVERS
from tests.conftest import PROJECT

PAGE, DATA_TERM, GRADIENTS = (
    (PROJECT / "docs" / name).read_text() for name in ("regularizers.md", "data_term.md", "gradients.md")
)
VARIANTS = {"anisotropic": (1, 2), "tvpwl": (2, 4), "eight_neighbour": (1, 2, 4), "filters": (1, 8)}
"""num_maps that a regularizer can have; the others have no choice."""


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, its head first, without backticks."""
    lines = PAGE.split(f"{heading}\n", 1)[1].split("\n#", 1)[0].splitlines()
    table = [line for line in lines if line.startswith("|")]
    cells = [line.strip("|").replace("`", "").split("|") for line in table if "---" not in line]
    return [[cell.strip() for cell in row] for row in cells]


def regularizers() -> dict[str, Regularizer]:
    """Every regularizer in every number of maps, under its words in the table of starts."""
    found = {}
    for name, kind in REGULARIZERS.items():
        for index, num_maps in enumerate(VARIANTS.get(name, (None,))):
            words = name if index == 0 else f"{name}, num_maps={num_maps}"
            found[words] = kind() if num_maps is None else kind(num_maps=num_maps)  # type: ignore[call-arg]
    return found


def test_the_table_of_solvers_is_what_they_refuse() -> None:
    head, *body = rows("## Which solver takes it")
    assert head[1:] == list(SOLVERS)
    assert [name for name, *_ in body] == list(REGULARIZERS)
    for words, regularizer in regularizers().items():
        (row,) = (cells for name, *cells in body if name == words.split(",")[0])
        taken = ["yes" if solver.refusal(regularizer) is None else "" for solver in SOLVERS.values()]
        assert row == taken, words


def test_the_table_of_starts_is_what_training_starts_from() -> None:
    starts = {words: start for words, start, _ in rows("## Where training starts")[1:]}
    for words, regularizer in regularizers().items():
        values = dict(zip(regularizer.map_names, regularizer.starts(INITIAL_LAM), strict=True))
        if len(values) > 4:
            assert starts.pop(words) == f"every lam_ab {INITIAL_LAM:.3g}"
            assert set(values.values()) == {INITIAL_LAM}
        else:
            assert starts.pop(words) == ", ".join(f"{name} {value:.3g}" for name, value in values.items()), words
    assert starts == {}


def test_every_regularizer_is_described_with_its_class_and_its_maps() -> None:
    described = {name: kind.split("(")[0] for name, kind, *_ in rows("# How to choose a regularizer")[1:]}
    assert described == {name: kind.__name__ for name, kind in REGULARIZERS.items()}
    assert all(getattr(difftv, kind) is REGULARIZERS[name] for name, kind in described.items())
    equations = PAGE.split("## Equations and maps", 1)[1].split("\n## ", 1)[0]
    paragraphs = {match[1]: match[0] for match in re.finditer(r"^`(\w+)`: .*?(?:\n\n|\Z)", equations, re.M | re.S)}
    assert list(paragraphs) == list(REGULARIZERS)
    for words, regularizer in regularizers().items():
        for name in regularizer.map_names:
            assert f"`{name}`" in paragraphs[words.split(",")[0]], (words, name)


def test_a_quarter_of_a_gray_level_is_where_gam_starts() -> None:
    assert REGULARIZERS["tvpwl"]().starts(INITIAL_LAM)[1] * 255 == pytest.approx(0.25, abs=0.01)  # type: ignore[call-arg]


def test_the_examples_run_and_the_gradients_are_those_of_the_page() -> None:
    example = "\n".join(re.findall(r"```python\n(.*?)```", DATA_TERM + GRADIENTS, flags=re.DOTALL))
    bounds = "\nassert tvpwl[:, 0].median() < 1e-2 < 0.1 < tvpwl[:, 1].median()\nassert 1e-4 < tgv.max() < 0.05"
    done = subprocess.run(
        [sys.executable, "-c", example + bounds], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_table_of_the_ramp_has_a_row_for_everything_that_is_tried() -> None:
    tried = {candidate.label: str(sum(map(len, candidate.constants()))) for candidate in CANDIDATES}
    assert {label: cells[-2] for label, *cells in rows("## A ramp with a disk")[1:]} == tried
