"""What a run has written, without what differs between two computations of the same."""

import json
from pathlib import Path

import torch

from difftv.lab.rundir.checkpoint import read_checkpoint


def timeless(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not name.endswith("_seconds")}


def outcome(directory: Path) -> tuple[dict, dict[str, torch.Tensor], list[dict], str]:
    result = json.loads((directory / "result.json").read_text())
    state = read_checkpoint(directory / "checkpoint.pt")
    history = [timeless(json.loads(line)) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    return timeless(result["metrics"]), state["predictor"], history, (directory / "per_image.csv").read_text()
