"""What a run leaves on disk, by name, and which keys of its configuration cannot change what it finds.

    outputs/<sweep>/<readable overrides>-<identity>/
        config.yaml  status.json  metrics.jsonl  result.json  per_image.csv  baseline.json  checkpoint.pt
        figures/  run.log

Writers and readers of a run take the names from here, so that neither knows the other.
"""

import os
from pathlib import Path
from typing import Literal

CONFIG = "config.yaml"
STATUS = "status.json"
METRICS = "metrics.jsonl"
RESULT = "result.json"
PER_IMAGE = "per_image.csv"
BASELINE = "baseline.json"
CHECKPOINT = "checkpoint.pt"
PREVIOUS_CHECKPOINT = "checkpoint.previous.pt"
FIGURES = "figures"
LOG = "run.log"
LOCK = ".lock"
BEFORE = "before"
"""Directory inside a run: the result of the time before, where `rerun=all` computed a finished run again."""

JOURNAL = "search.journal"
"""Beside the runs of a search: its study, in Optuna's own format."""
SEARCH = "search.json"
"""Beside the runs of a search: its trials, for reports."""

RESULT_FORMAT = 1
"""Raised whenever an older reader would misunderstand a newer result.json."""

State = Literal["queued", "running", "finished", "failed", "interrupted", "pruned"]
"""What status.json says; pruned = a search has ended the training early.

A run is finished when, and only when, result.json is there: that file is written last."""

HEARTBEAT_SECONDS = 15.0
"""How often a running job refreshes its status.json."""

SILENT_SECONDS = 120.0
"""A job on another machine that has been silent for so long counts as lost: eight heartbeats."""

WITHOUT_EFFECT = {
    "sweep": "names the folder",
    "rerun": "which runs are computed, not what they compute",
    "tracker": "shows numbers, does not make them",
    "trainer.device": "where the predictor runs; devices differ in rounding only",
    "trainer.devices": "how many share a batch, whose gradient is the same sum; the order of additions differs",
    "trainer.checkpoint_seconds": "a resumed run ends with the same bits wherever it was interrupted",
    "evaluation.figures": "how many images are drawn",
    "data.cache_dir": "where decoded images are kept",
    "data.download": "how the images came",
    "data.source.download": "how the images came",
}
"""Keys of a configuration that cannot change its result, each with the reason; those below a key are meant as well."""

PLACES = tuple(f"{place}.{key}" for place in ("data", "data.source") for key in ("root", "validation", "test", "again"))
"""Keys that say where the images are stored. Identity takes the images themselves, which make the result."""


MODELS = ("evaluation.model", "trainer.start")
"""Keys that name a stored model. Identity takes its content beside the name: it may be trained again."""

NEUTRAL: dict[str, object] = {
    "method": "maps",
    "method._target_": "difftv.Denoiser",
    "method.stabilise": True,
    "method.looks": 1,
    "noise": "gaussian",
    "noise._target_": "difftv.noise.GaussianNoise",
    "forward": "identity",
    "forward._target_": "difftv.lab.forward.Identity",
    "trainer.staircase_weight": 0,
    "trainer.precision": "float32",
    "evaluation.model": None,
    "evaluation.scalar": "psnr",
    "regularizer.channels": 1,
    "regularizer.bounds": None,
    "data.colour": False,
    "data.axes": 2,
    "data.source.axes": 2,
    "regularizer.axes": 2,
    "regularizer.spacing": None,
    "data.quarter_turns": True,
    "data.clean": True,
    "trainer.start": None,
    "predictor.floor": 0,
    "predictor.blocks": 1,
}
"""Keys that came later -> the value at which a run is what it was before: it does not enter the identity."""


def has_no_effect(key: str) -> bool:
    """Whether a dotted key is, or is below, one that cannot change the result."""
    parts = key.split(".")
    return any(".".join(parts[:length]) in WITHOUT_EFFECT for length in range(1, len(parts) + 1))


def is_run(directory: Path) -> bool:
    """Whether a directory holds files that only a run writes."""
    # os.path: where the disk fails there is no run to be seen, and no error.
    return any(os.path.isfile(directory / name) for name in (CONFIG, STATUS, RESULT))
