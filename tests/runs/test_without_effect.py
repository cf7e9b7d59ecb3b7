"""What is not part of a run's identity does not change its result, key by key."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from difftv.lab.rundir.layout import PLACES, WITHOUT_EFFECT
from tests.runs.commands import SMALL, run_each
from tests.runs.outcomes import timeless

pytestmark = pytest.mark.slow

QUICK = [*SMALL, "solver=taut_string", "trainer.epochs=1", "evaluation.oracle=false"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    draw = np.random.default_rng(0)
    for split, count in (("DIV2K_train_HR", 3), ("DIV2K_valid_HR", 2)):
        (root / split).mkdir()
        for index in range(count):
            pixels = draw.integers(0, 255, (4, 4)).repeat(5, 0).repeat(5, 1).astype(np.uint8)
            Image.fromarray(pixels).save(root / split / f"{split[6]}{index}.png")
    return root


def test_excluded_keys_leave_the_result_as_it_is(images: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(images, tmp_path / "moved")
    folders = ["data=folder", f"data.root={images}/DIV2K_train_HR", f"data.validation={images}/DIV2K_valid_HR",
               f"data.test={images}/DIV2K_valid_HR"]  # fmt: skip
    official = ["data=div2k", f"data.root={images}"]
    # The checkpoints of the others come at every step.
    changes = {
        "sweep": [*official, "sweep=other"],
        "rerun": [*official, "rerun=all"],
        "tracker": [*official, "tracker=wandb", "tracker.mode=disabled"],
        "trainer.device": [*official, "trainer.device=cpu"],
        "trainer.devices": [],  # rounding differs: tests/runs/test_several_devices.py
        "trainer.checkpoint_seconds": [*official, "trainer.checkpoint_seconds=60"],
        "evaluation.figures": [*official, "evaluation.figures=1"],
        "data.cache_dir": [*official, "data.cache_dir=null"],
        "data.download": [*official, "data.download=true"],
        "data.again": [],  # second noisy files: tests/data/test_noisy.py
        "data.root": ["data=div2k", f"data.root={moved}"],
        "data.validation": [*folders, f"data.validation={moved}/DIV2K_valid_HR"],
        "data.test": [*folders, f"data.test={moved}/DIV2K_valid_HR"],
    }
    assert set(changes) == {key for key in (*WITHOUT_EFFECT, *PLACES) if not key.startswith("data.source.")}
    del changes["trainer.devices"], changes["data.again"]
    if torch.accelerator.is_available():
        del changes["trainer.device"]  # devices differ in rounding
    wanted = {"official": official, "folders": folders, **changes}
    commands = [("", [*QUICK, *words, f"hydra.run.dir={tmp_path / name}"]) for name, words in wanted.items()]
    for name, (code, shown) in zip(wanted, run_each(commands), strict=True):
        assert code == 0, f"{name}: {shown}"
    results = {name: json.loads((tmp_path / name / "result.json").read_text()) for name in wanted}
    assert results["official"]["identity"] != results["folders"]["identity"]
    assert results["official"]["identity_scheme"] == 2
    for name, words in changes.items():
        expected = results["folders" if words[0] == "data=folder" else "official"]
        assert results[name]["identity"] == expected["identity"], name
        assert results[name]["images_identity"] == expected["images_identity"], name
        assert timeless(results[name]["metrics"]) == timeless(expected["metrics"]), name
