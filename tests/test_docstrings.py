"""Entries of docstrings say what an argument is: they begin with a noun."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT

ENTRY = re.compile(r"    (\w[\w, *]*): ((of|that|what|the same)\b.*)", re.IGNORECASE)


def entries(path: Path) -> Iterator[str]:
    """Entries of Args and Attributes that begin with something else than a noun."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        inside = False
        for line in (ast.get_docstring(node) or "").splitlines():
            if line[:1].strip():
                inside = line in ("Args:", "Attributes:")
            elif inside and (found := ENTRY.fullmatch(line)):
                yield f"{path.name}, {node.name}: {found[0].strip()}"


@pytest.mark.parametrize("folder", ["difftv", "benchmarks", "experiments", "docs"])
def test_an_entry_begins_with_a_noun(folder: str) -> None:
    found = [entry for path in sorted((PROJECT / folder).rglob("*.py")) for entry in entries(path)]
    assert found == [], "begin with a noun: `name: name of the model`, not `name: of the model`"


def test_an_entry_without_a_noun_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        'def f(a, b):\n    """Say.\n\n    Args:\n        a: of the model.\n        b: size of a.\n    """\n'
    )
    assert list(entries(path)) == ["a.py, f: a: of the model."]
