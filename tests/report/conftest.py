"""Synthetic sweeps: what the life-cycle of a run leaves on disk, without running anything."""

import csv
import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

Writer = Callable[..., Path]

PSNR = {"noisy/psnr": 20.2, "baseline/psnr": 28.1, "psnr": 29.0}
SSIM = {"noisy/ssim": 0.40, "baseline/ssim": 0.78, "ssim": 0.81}
IMAGES = ("camera", "coffee", "rocket", "moon")


def nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for key, value in overrides.items():
        *sections, leaf = key.split(".")
        place = config
        for section in sections:
            place = place.setdefault(section, {})
        place[leaf] = value
    return config


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    directory = tmp_path / "outputs" / "demo"
    directory.mkdir(parents=True)
    return directory


def run_writer(sweep: Path) -> Writer:
    """Writes one run into `sweep`; `settings` are dotted keys, `metrics` are added to the usual ones."""

    def write(
        name: str,
        settings: Mapping[str, Any] | None = None,
        *,
        metrics: Mapping[str, Any] | None = None,
        state: str = "finished",
        error: str | None = None,
        images: tuple[str, ...] = IMAGES,
        evaluated_on: str = "validation",
        updated: str = "2026-11-23T10:00:00+00:00",
        identity: str | None = None,
    ) -> Path:
        directory = sweep / name
        (directory / "figures").mkdir(parents=True)
        config = {"choices.solver": "scs", "choices.predictor": "cnn", "sigma": 25, "patch_size": 64, "seed": 0}
        config |= {"solver.eps": 1e-5, "trainer.epochs": 2} | dict(settings or {})
        (directory / "config.yaml").write_text(yaml.safe_dump(nested(config)))
        status = {"state": state, "host": "node1", "pid": 7, "started": updated, "updated": updated}
        (directory / "status.json").write_text(
            json.dumps(status | {"epoch": 1, "epochs": 2, "psnr": None, "error": error})
        )
        written = datetime.fromisoformat(updated).timestamp()
        os.utime(directory / "status.json", (written, written))
        (directory / "run.log").write_text("log\n")
        history = [{"epoch": k, "train/loss": 0.01 / k, "validation/psnr": 27.0 + k, "lr": 1e-3} for k in (1, 2)]
        (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in history))
        if state != "finished":
            return directory
        means: dict[str, Any] = {**PSNR, **SSIM, "solver/forward_seconds": 0.5, "solver/backward_seconds": 0.25}
        means |= dict(metrics or {})
        result = {"format": 1, "identity": identity or name, "evaluated_on": evaluated_on, "metrics": means}
        (directory / "result.json").write_text(json.dumps(result | {"versions": {}, "git": {}}))
        per_image = [key for key in means if key.rpartition("/")[2] in ("psnr", "ssim")]
        with (directory / "per_image.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["image", *per_image])
            for index, image in enumerate(images):
                spread = index - (len(images) - 1) / 2
                values = [means[key] for key in per_image]
                table.writerow([image, *(v + 0.01 * spread if isinstance(v, float) else v for v in values)])
        return directory

    return write


@pytest.fixture
def write_run(sweep: Path) -> Writer:
    return run_writer(sweep)


def write_demo(sweep: Path) -> None:
    """Two solvers at three noise levels, and one directory of every kind that is not a finished run."""
    write_run = run_writer(sweep)
    for index, solver in enumerate(("scs", "ecos")):
        for sigma, psnr in ((15, 32.0), (25, 29.0), (50, 26.0)):
            settings = {"choices.solver": solver, "sigma": sigma}
            metrics = {"psnr": psnr + 0.25 * index, "baseline/psnr": psnr - 0.5, "noisy/psnr": psnr - 9}
            write_run(f"solver={solver},sigma={sigma}", settings, metrics=metrics)
    write_run("solver=pdhg,sigma=25", {"choices.solver": "pdhg"}, state="failed", error="SolverError: it broke\nline 2")
    write_run("solver=tv,sigma=25", {"choices.solver": "tv"}, state="running")
    write_run("solver=tv,sigma=50", {"choices.solver": "tv"}, state="queued")
    write_run("solver=tv,sigma=15", {"choices.solver": "tv"}, state="interrupted", error="interrupted by the user")
    truncated = write_run("truncated", {"choices.solver": "tv"})
    (truncated / "result.json").write_text('{"format": 1, "metr')
    older = write_run("older", {"choices.solver": "tv"})
    (older / "result.json").write_text('{"format": 0, "psnr": 30.0}')
    (sweep / "notes").mkdir()
    (sweep / ".hydra").mkdir()
    (sweep / "multirun.yaml").write_text("{}")


@pytest.fixture
def demo(sweep: Path) -> Path:
    write_demo(sweep)
    return sweep
