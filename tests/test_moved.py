"""Import paths of earlier versions name the modules of today."""

import importlib
import subprocess
import sys

import pytest
import torch

from difftv._moved import MOVED, todays_path
from difftv.regularizers import TGV, MapSpec


@pytest.mark.parametrize("earlier", sorted(MOVED))
def test_an_earlier_path_is_the_same_module(earlier: str) -> None:
    assert importlib.import_module(earlier) is importlib.import_module(MOVED[earlier])


def test_classes_are_one_class_under_both_paths_whichever_comes_first() -> None:
    script = (
        "import difftv.data.folder as earlier; from difftv.data import Folder; import difftv.lab.data.folder as now;"
        "assert earlier is now and Folder is now.Folder and now.__spec__.name == 'difftv.lab.data.folder';"
        "import importlib; importlib.reload(now)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_path_that_never_was_is_no_module() -> None:
    assert todays_path("difftv.database") is None
    with pytest.raises(ModuleNotFoundError, match="no_such_thing"):
        importlib.import_module("difftv.data.no_such_thing")


def test_a_command_starts_by_its_earlier_path() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "difftv.cli.table", "--help"], check=True, capture_output=True, text=True
    )
    assert "usage" in found.stdout or found.stdout == ""


def test_earlier_names_of_a_map_and_of_a_term() -> None:
    tgv = TGV()
    assert MapSpec("gam", share=0.0, constant=0.1, number="gam") == MapSpec("gam", 0.0, 0.1, "gam")
    spec = tgv.maps[1]
    assert (spec.share, spec.constant, spec.number) == (spec.ratio, spec.offset, spec.parameter)
    assert tgv.numbers == tgv.parameters
    assert tgv.leading("lam2") == spec
    term = tgv.terms[0]
    assert torch.equal(term.weights(torch.ones(1, 2, 3, 4))[0], term.maps(torch.ones(1, 2, 3, 4))[0])
    assert torch.equal(term.real(torch.ones(1, 2, 3, 4)), term.valid(torch.ones(1, 2, 3, 4)))
    assert (term.operator.interior(3, 4) == term.operator.valid_mask(3, 4)).all()
    with pytest.raises(TypeError, match="ratio, offset and parameter, not scale"):
        MapSpec("lam", scale=2.0)
