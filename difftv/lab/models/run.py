"""A stored model from the directory of a run, which is read as untrusted data."""

import math
from collections.abc import Mapping
from pathlib import Path

from difftv.errors import CheckpointError
from difftv.lab.rundir.checkpoint import read_with_config
from difftv.lab.rundir.layout import CHECKPOINT, RESULT
from difftv.lab.rundir.reading import UnreadableError, numbers, read_json
from difftv.lab.rundir.status import run_status
from difftv.models.pretrained import shipped_files
from difftv.models.stored import StoredModel

BASELINE = "baseline/"
"""Before the names of the scalars, and of what they score, in result.json."""


def read_run(path: Path | str) -> StoredModel:
    """What a run has left in `checkpoint.pt`; of its other files, only the scalars in `result.json` are read.

    Args:
        path: the directory of the run, outputs/<sweep>/<run>.

    Raises:
        CheckpointError: there is no checkpoint, it cannot be read, or no epoch has ended yet.
    """
    directory = Path(path)
    file = directory / CHECKPOINT
    if not directory.exists() and str(path) in shipped_files():
        raise CheckpointError(
            f"There is no directory {path}, but a shipped model of that name: Denoiser.pretrained({str(path)!r})."
        )
    if not file.is_file():
        raise CheckpointError(f"{directory} holds no {CHECKPOINT}: {_why_no_checkpoint(directory)}")
    state, config = read_with_config(file)
    training = state.get("training") if isinstance(state, Mapping) else None
    weights = training.get("best_weights") if isinstance(training, Mapping) else None
    if not isinstance(training, Mapping) or not isinstance(weights, Mapping) or not isinstance(config, Mapping):
        raise CheckpointError(f"{file} holds no trained predictor. Give the directory of a run of experiments/run.py.")
    if not weights:
        raise CheckpointError(f"No epoch of {directory} has ended yet. Run its command again to continue it.")
    return StoredModel(
        path=directory,
        name=directory.resolve().name,
        config=config,
        weights=weights,
        best_epoch=training.get("best_epoch", 0),
        finished=(directory / RESULT).is_file(),
        scalars=_scalars(directory),
    )


def _scalars(directory: Path) -> dict[str, float]:
    """What the run found on its training crops; only a run that went to its end has it."""
    try:
        result = read_json(directory / RESULT)
        metrics = numbers(result.get("metrics"))
    except (UnreadableError, ValueError):
        return {}
    config = result.get("config")
    evaluation = config.get("evaluation") if isinstance(config, Mapping) else None
    if isinstance(evaluation, Mapping) and evaluation.get("scalar") == "sure":
        return {}  # every image had its own
    found = {name.removeprefix(BASELINE): value for name, value in metrics.items() if name.startswith(BASELINE)}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _why_no_checkpoint(directory: Path) -> str:
    found = run_status(directory)
    if found.state == "not a run":
        runs = sorted(file.parent.name for file in directory.glob(f"*/{CHECKPOINT}"))
        hint = f" Give one of the runs in it, such as {directory / runs[0]}." if runs else ""
        return f"it is not the directory of a run.{hint}"
    if found.state == "finished":
        return "the run has finished, but its checkpoint was removed. Compute it again with rerun=all."
    return f"the run is {found.state} ({found.reason}). It can be used once its first checkpoint is written."
