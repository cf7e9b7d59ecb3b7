"""The network and the solver of a run, built again from its checkpoint: data goes in, code never does.

A run's directory is untrusted, and its configuration names the classes to construct. Only the concrete
predictors, regularizers and solvers of this package can be named, with plain values for arguments; weights are read
as tensors alone.
"""

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from difftv.errors import CheckpointError, ConfigError
from difftv.predictors.base import Predictor
from difftv.regularizers import AnisotropicTV, Regularizer
from difftv.rundir.checkpoint import read_with_config
from difftv.rundir.layout import CHECKPOINT, RESULT
from difftv.rundir.standing import standing
from difftv.solvers.base import Solver
from difftv.solvers.taut_string import TautString

EXACT_TOL = 1e-10
"""At this relative duality gap `solver=taut_string` is as a rule exact to rounding."""


@dataclass(frozen=True)
class StoredRun:
    """What a run has learned, and how.

    Attributes:
        path: its directory.
        config: the resolved configuration; untrusted until one of the methods has checked it.
        weights: the predictor's, after the epoch with the highest validation PSNR.
        best_epoch: that epoch, counted from 1.
        finished: whether the run went to its end.
    """

    path: Path
    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    best_epoch: int
    finished: bool

    @property
    def sigma(self) -> float | None:
        """The noise it was trained for, in 8-bit units; None where the configuration does not say."""
        sigma = self.config.get("sigma")
        return float(sigma) if isinstance(sigma, int | float) else None

    def predictor(self) -> Predictor:
        """The trained network, on the CPU, in evaluation mode.

        Raises:
            ConfigError: the configuration names something else than a predictor of this package.
            CheckpointError: the weights are not those of that predictor.
        """
        if not all(isinstance(value, Tensor) and value.is_floating_point() for value in self.weights.values()):
            raise CheckpointError(f"The weights in {self.path} are not floating-point tensors.")
        # Nothing is allocated or drawn before the stored weights are known to fit.
        with torch.device("meta"):
            predictor = _construct(self, "predictor", Predictor, num_maps=self.regularizer().num_maps)
        try:
            predictor.load_state_dict(dict(self.weights), assign=True)
        except (RuntimeError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"The weights in {self.path} do not fit its {type(predictor).__name__}: {error}"
            ) from error
        return predictor.eval()

    def regularizer(self) -> Regularizer:
        """A regularizer like the one of the run.

        Raises:
            ConfigError: the configuration names something else than a regularizer of this package.
        """
        return _construct(self, "regularizer", Regularizer)

    def own_solver(self) -> Solver:
        """A solver like the one that the run was trained with.

        Raises:
            ConfigError: the configuration names something else than a solver of this package.
            MissingDependencyError: an optional package is not installed.
        """
        return _construct(self, "solver", Solver, regularizer=self.regularizer())

    def exact_solver(self, tol: float = EXACT_TOL) -> Solver:
        """The solver that takes images of any size, whatever the run was trained with.

        Args:
            tol: relative duality gap, see `TautString`; the default is exact to rounding.

        Raises:
            ConfigError: there is none for the run's regularizer.
        """
        regularizer = self.regularizer()
        if not isinstance(regularizer, AnisotropicTV):
            raise ConfigError(
                f"{self.path} was trained with regularizer={regularizer.name}; solver=taut_string, which takes images "
                "of any size, solves regularizer=anisotropic only. Use the run's own solver on small images or crops "
                "(--solver own, own_solver=True), or train a run with regularizer=anisotropic."
            )
        return TautString(regularizer, tol=tol)


def read_run(path: Path | str) -> StoredRun:
    """What a run has left in `checkpoint.pt`; nothing else of it is needed.

    Args:
        path: the directory of the run, outputs/<sweep>/<run>.

    Raises:
        CheckpointError: there is no checkpoint, it cannot be read, or no epoch has ended yet.
    """
    directory = Path(path)
    file = directory / CHECKPOINT
    if not file.is_file():
        raise CheckpointError(f"{directory} holds no {CHECKPOINT}: {_why_no_checkpoint(directory)}")
    state, config = read_with_config(file)
    training = state.get("training") if isinstance(state, Mapping) else None
    weights = training.get("best_weights") if isinstance(training, Mapping) else None
    if not isinstance(training, Mapping) or not isinstance(weights, Mapping) or not isinstance(config, Mapping):
        raise CheckpointError(f"{file} holds no trained predictor. Give the directory of a run of experiments/run.py.")
    if not weights:
        raise CheckpointError(f"No epoch of {directory} has ended yet. Run its command again to continue it.")
    return StoredRun(directory, config, weights, training.get("best_epoch", 0), (directory / RESULT).is_file())


def _construct(run: StoredRun, group: str, base: type, **live_objects: Any) -> Any:
    node = run.config.get(group)
    if not isinstance(node, Mapping):
        raise ConfigError(f"The configuration of {run.path} has no {group}.")
    arguments = {key: value for key, value in node.items() if key != "_target_"}
    plain = str | int | float | None
    if not all(isinstance(key, str) and isinstance(value, plain) for key, value in arguments.items()):
        raise ConfigError(f"{run.path}: {group} takes plain values only, its configuration holds {arguments!r}.")
    kind = _class_of(node.get("_target_"), group, base, run.path)
    try:
        return kind(**{**arguments, **live_objects})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{run.path}: {group}: {error}") from error


def _class_of(target: Any, group: str, base: type, path: Path) -> type:
    """The class that a `_target_` names, if it is one of ours; nothing outside `difftv.<group>s` is imported."""
    package = f"difftv.{group}s"
    words = target.split(".") if isinstance(target, str) else []
    if words[:2] == package.split(".") and all(word.isidentifier() for word in words):
        try:
            found = getattr(importlib.import_module(".".join(words[:-1])), words[-1], None)
        except ImportError:
            found = None
        if (
            isinstance(found, type)
            and issubclass(found, base)
            and not inspect.isabstract(found)
            and found.__module__.startswith(f"{package}.")
        ):
            return found
    raise ConfigError(
        f"The configuration of {path} names {target!r} as its {group}. Only classes of {package} are constructed: "
        "the run was made by another version, or the file is not to be trusted."
    )


def _why_no_checkpoint(directory: Path) -> str:
    found = standing(directory)
    if found.state == "not a run":
        runs = sorted(file.parent.name for file in directory.glob(f"*/{CHECKPOINT}"))
        hint = f" Give one of the runs in it, such as {directory / runs[0]}." if runs else ""
        return f"it is not the directory of a run.{hint}"
    if found.state == "finished":
        return "the run has finished, but its checkpoint was removed. Compute it again with rerun=all."
    return f"the run is {found.state} ({found.reason}). It can be used once its first checkpoint is written."
