"""experiments/photon_noise.py: a model for either way beside one for both, each checked for its way."""

import json
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from experiments.photon_noise import main
from tests.runs.commands import SMALL, run


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("images")
    Image.fromarray(data.camera()[100:150, 200:250]).save(place / "camera.png")
    return place


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    place = tmp_path_factory.mktemp("trained")
    found = []
    for stabilise in ("true", "false"):
        way = ["noise=poisson_gaussian", f"method.stabilise={stabilise}", "trainer.epochs=1", "evaluation.oracle=false"]
        done = run(*SMALL, *way, "solver=admm", f"hydra.run.dir={place / stabilise}")
        assert done.returncode == 0, done.stderr
        found.append(str(place / stabilise))
    return found


def test_the_document_has_both_ways_of_every_model(images: Path, trained: list[str], tmp_path: Path) -> None:
    output = tmp_path / "found.json"
    assert main([str(images), "--crop", "20", "--noise", "0.02,5", "--trained", *trained, "--output", str(output)]) == 0
    (row,) = json.loads(output.read_text())["rows"]
    kinds = ("scalar", "gray-small", "trained for it")
    assert list(row) == [
        "gain",
        "sigma",
        "noisy",
        *(f"{kind}, {way}" for kind in kinds for way in ("transform", "weights")),
    ]
    assert all(row[name] > row["noisy"] for name in row if ", " in name)


def test_a_model_of_the_other_way_is_refused(images: Path, trained: list[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(images), "--crop", "20", "--noise", "0.02,5", "--trained", *trained[::-1]])
