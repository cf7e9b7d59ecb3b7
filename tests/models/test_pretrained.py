"""The shipped models: listed by name, without torch; and what is said where there is none of a name."""

import subprocess
import sys
from pathlib import Path

import pytest

import difftv
from difftv import Denoiser, list_pretrained
from difftv.errors import CheckpointError
from difftv.lab.models.place import find_model
from difftv.models import pretrained
from tests.models.made import card_of, config, make_file


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models in the place of those that are shipped."""
    for name in ("gray", "gray-small"):
        make_file(tmp_path / f"{name}.safetensors", config("constant", sigma=[5, 55]))
    monkeypatch.setattr(pretrained, "SHIPPED", tmp_path)
    return tmp_path


def test_they_are_listed_with_their_cards(shipped: Path) -> None:
    found = list_pretrained()
    assert found == {name: card_of(config("constant", sigma=[5, 55]), name) for name in ("gray", "gray-small")}
    assert str(found["gray"]) == "gray: constant (2 weights), anisotropic, sigma 5 to 55; Set12 29.50 dB at sigma 25"


def test_one_is_had_by_its_name(shipped: Path) -> None:
    denoiser = Denoiser.pretrained("gray-small")
    assert denoiser.sigma_input
    assert denoiser.sigma_range == (5, 55)
    assert not denoiser.training
    solver = difftv.Admm(difftv.AnisotropicTV())
    assert Denoiser.pretrained("gray", solver=solver).solver is solver


@pytest.mark.parametrize("name", ["grey", "", "../gray", "gray.safetensors", "shipped/gray"])
def test_an_unknown_name_lists_the_names(name: str, shipped: Path) -> None:
    with pytest.raises(ValueError, match=r"No model named .* is shipped\. Shipped models: gray, gray-small\."):
        Denoiser.pretrained(name)


def test_an_installation_without_models_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "SHIPPED", tmp_path / "nowhere")
    assert list_pretrained() == {}
    with pytest.raises(ValueError, match="This installation of difftv brings no models"):
        Denoiser.pretrained("gray")


def test_a_damaged_installation_is_named(shipped: Path) -> None:
    (shipped / "gray.safetensors").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match=r"gray\.safetensors is no model file"):
        list_pretrained()


def test_a_word_is_a_name_a_file_or_a_run(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shipped)
    (shipped / "gray").mkdir()
    assert find_model("gray") == shipped / "gray.safetensors"
    assert find_model("./gray") == Path("gray")
    assert find_model("gray-small.safetensors") == Path("gray-small.safetensors")
    with pytest.raises(ValueError, match="'grey' is neither the name of a shipped model nor a file"):
        find_model("grey")


def test_listing_imports_no_torch() -> None:
    code = "import sys, difftv; print(len(difftv.list_pretrained())); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, torch_is_there = done.stdout.split()
    assert int(count) == len(list_pretrained())
    assert torch_is_there == "False"
