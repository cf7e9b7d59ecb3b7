"""Runs and model files of earlier versions load, resume, tabulate and are found again; see README.md."""

import json
import math
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from difftv import Denoiser
from difftv.lab.cli.table import main as table_main
from difftv.lab.models.reading import read_model
from difftv.lab.report import read_sweep
from difftv.lab.rundir.checkpoint import read_checkpoint
from difftv.lab.runs.plan import PlannedRun
from tests.conftest import composed
from tests.runs.commands import run

HERE = Path(__file__).parent
VERSIONS = sorted(path.parent.name for path in HERE.glob("*/finished"))
EXPORTED = sorted(path.parent.name for path in HERE.glob("*/tiny.safetensors"))
PARTLY_LEFT_OUT = ("_seconds", "solver/iterations", "solver/gap", "solver/worst_gap")
"""Times, and what differs by the rounding of a machine."""


def words(version: str) -> list[str]:
    return shlex.split((HERE / version / "arguments.txt").read_text(), comments=False)


def numbers(row: dict[str, float | None]) -> dict[str, float]:
    return {
        name: math.nan if value is None else value for name, value in row.items() if not name.endswith(PARTLY_LEFT_OUT)
    }


def check_same_numbers(found: dict, stored: dict) -> None:
    """What the earlier version measured, this one measures too, whatever came in addition."""
    found, stored = numbers(found), numbers({name: value for name, value in stored.items() if name in found})
    assert stored
    assert {name: found[name] for name in stored} == pytest.approx(stored, rel=1e-3, abs=1e-5, nan_ok=True)


def test_there_are_runs_of_three_versions() -> None:
    assert len(VERSIONS) >= 3
    assert len(EXPORTED) >= 2


@pytest.mark.parametrize(
    "place", [*(f"{name}/finished" for name in VERSIONS), *(f"{name}/tiny.safetensors" for name in EXPORTED)]
)
def test_a_stored_model_gives_the_maps_and_the_image_that_it_gave(place: str) -> None:
    path = HERE / place
    kept = load_file(path.parent / "maps.safetensors")
    denoiser = Denoiser.load(path)
    with torch.no_grad():
        solution = denoiser(kept["noisy"], *([25.0] if denoiser.sigma_input else []))
    torch.testing.assert_close(solution.lam, kept["maps"], rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(solution.denoised, kept["denoised"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("version", EXPORTED)
def test_a_model_file_holds_the_weights_of_its_run(version: str) -> None:
    run, file = (read_model(HERE / version / name) for name in ("finished", "tiny.safetensors"))
    assert run.weights.keys() == file.weights.keys()
    assert all(torch.equal(run.weights[name], file.weights[name]) for name in run.weights)
    assert file.scalars
    assert {name: run.scalars[name] for name in file.scalars} == pytest.approx(file.scalars)
    assert run.sigma_range == file.sigma_range


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_command_is_the_same_run(version: str) -> None:
    recorded = json.loads((HERE / version / "finished" / "result.json").read_text())
    planned = PlannedRun.of(composed(*words(version)))
    assert planned.digest == recorded["identity"]
    assert planned.images == recorded["images_identity"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_finished_run_is_not_computed_again(version: str, tmp_path: Path) -> None:
    place = shutil.copytree(HERE / version / "finished", tmp_path / "run")
    done = run(*words(version), f"hydra.run.dir={place}")
    assert done.returncode == 0, done.stderr
    assert "finished before, nothing to do" in done.stdout
    assert (place / "checkpoint.pt").read_bytes() == (HERE / version / "finished" / "checkpoint.pt").read_bytes()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_interrupted_run_continues_to_the_same_end(version: str, tmp_path: Path) -> None:
    finished, place = HERE / version / "finished", tmp_path / "run"
    shutil.copytree(HERE / version / "interrupted", place)
    done = run(*words(version), "evaluation.figures=0", f"hydra.run.dir={place}")
    assert done.returncode == 0, done.stderr
    assert "continuing after epoch 1, step 1" in done.stdout
    found, stored = (json.loads((path / "result.json").read_text()) for path in (place, finished))
    assert found["identity"] == stored["identity"]
    assert found["best_epoch"] == stored["best_epoch"]
    check_same_numbers(found["metrics"], stored["metrics"])
    histories = [(path / "metrics.jsonl").read_text().splitlines() for path in (place, finished)]
    for new, old in zip(*histories, strict=True):
        check_same_numbers(json.loads(new), json.loads(old))
    weights, kept = (read_checkpoint(path / "checkpoint.pt")["predictor"] for path in (place, finished))
    assert weights.keys() == kept.keys()
    # Adam makes a whole step (.01) of a gradient near 0, and so of its rounding.
    for name, value in weights.items():
        torch.testing.assert_close(value, kept[name], rtol=1e-3, atol=3e-4)


def test_runs_of_all_versions_stand_in_one_table(tmp_path: Path) -> None:
    for version in VERSIONS:
        shutil.copytree(HERE / version / "finished", tmp_path / f"finished-{version}")
        shutil.copytree(HERE / version / "interrupted", tmp_path / f"interrupted-{version}")
    sweep = read_sweep(tmp_path)
    assert sorted(each.name for each in sweep.runs) == [f"finished-{version}" for version in VERSIONS]
    assert {each.name: each.state for each in sweep.absent} == dict.fromkeys(
        (f"interrupted-{version}" for version in VERSIONS), "interrupted"
    )
    assert table_main([str(tmp_path), "--rows", "predictor", "--columns", "regularizer", "--metric", "psnr"]) == 0
    text = (tmp_path / "table.md").read_text()
    for version in VERSIONS:
        result = json.loads((HERE / version / "finished" / "result.json").read_text())
        assert f"{result['metrics']['psnr']:.2f}" in text
        assert f"interrupted-{version}" in text
