"""What a package offers by name: every name of a stub is there, and the lists by name are those of the command line."""

import ast
import importlib
from pathlib import Path

import pytest

from difftv.models.parts import CLASSES, PACKAGES
from difftv.noise import SignalDependent
from difftv.predictors import SelfEnsemble
from tests.conftest import PROJECT

STUBS = sorted((PROJECT / "difftv").rglob("__init__.pyi"))


EARLIER = {"TautString": "Exact"}
"""Names of earlier versions -> those of today."""


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.parent.name)
def test_every_name_of_a_lazy_package_is_there(stub: Path) -> None:
    package = importlib.import_module(".".join(stub.parent.relative_to(PROJECT).parts))
    tree = ast.parse(stub.read_text())
    imported = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    (listed,) = (ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
    assert sorted(imported) == sorted(listed) == sorted(dir(package))
    for name in listed:
        assert getattr(package, name).__name__ == EARLIER.get(name, name)
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = package.nothing_of_ours


@pytest.mark.parametrize("group", CLASSES)
def test_every_concrete_class_has_its_name(group: str) -> None:
    package = importlib.import_module(PACKAGES[group])
    base = getattr(package, group.capitalize())
    offered = {getattr(package, name) for name in package.__all__ if isinstance(getattr(package, name), type)}
    offered -= {SelfEnsemble, SignalDependent}  # made around a predictor; a base
    assert {kind for kind in offered if issubclass(kind, base) and kind is not base} == set(CLASSES[group].values())
