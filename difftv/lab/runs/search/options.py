"""The keys of `hydra.sweeper` of a search, checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from difftv.arguments import positive_int, random_seed
from difftv.errors import ConfigError

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

ON_VALIDATION = "validation/"

RANDOM_FROM = 10
"""The attempt from which every sampler draws at random: where little is left to try, tpe repeats the best."""

SAMPLERS = ("tpe", "gp", "random")
"""CMA-ES is not among them: it keeps its state as a pickle in the study, and reading a study must not run code."""

PRUNERS = ("median", "hyperband", "successive_halving", "none")

DIRECTIONS = ("maximize", "minimize")


@dataclass(frozen=True)
class SearchOptions:
    """How a search goes.

    Attributes:
        n_trials: in all, those of earlier commands included.
        n_jobs: trials that start together.
        metric: the objective, `validation/...`, at the epoch whose weights are kept; several of them for a front.
        direction: maximize or minimize, one for each objective.
        seed: seed of the sampler.
        sampler: one of `SAMPLERS`.
        startup_trials: drawn at random; nothing is pruned before so many are complete.
        pruner: one of `PRUNERS`.
        warmup_epochs: number of epochs of a trial before which pruner=median does not judge it.
        reduction_factor: number of trials of which hyperband and successive_halving let one go on, >= 2.

    Raises:
        ConfigError: naming the key.
    """

    n_trials: int
    n_jobs: int
    metric: str | Sequence[str]
    direction: str | Sequence[str]
    seed: int
    sampler: str
    startup_trials: int
    pruner: str
    warmup_epochs: int
    reduction_factor: int = 4

    def __post_init__(self) -> None:
        from difftv.metrics.catalogue import meaning_of  # imports torch, which no other sweep waits for

        try:
            positive_int("hydra.sweeper.n_trials", self.n_trials)
            positive_int("hydra.sweeper.n_jobs", self.n_jobs)
            positive_int("hydra.sweeper.startup_trials", self.startup_trials)
            positive_int("hydra.sweeper.warmup_epochs", self.warmup_epochs)
            random_seed("hydra.sweeper.seed", self.seed)
            if positive_int("hydra.sweeper.reduction_factor", self.reduction_factor) < 2:
                raise ValueError(f"hydra.sweeper.reduction_factor must be at least 2, got {self.reduction_factor}.")
        except ValueError as error:
            raise ConfigError(str(error)) from error
        words = [("sampler", self.sampler, SAMPLERS), ("pruner", self.pruner, PRUNERS)]
        for key, word, allowed in (*words, *(("direction", each, DIRECTIONS) for each in self.directions)):
            if word not in allowed:
                raise ConfigError(f"hydra.sweeper.{key} must be one of {', '.join(allowed)}, got {word!r}.")
        for metric in self.metrics:
            name = metric.removeprefix(ON_VALIDATION)
            if not metric.startswith(ON_VALIDATION) or (meaning_of(name) is None and name != "score"):
                raise ConfigError(
                    f"hydra.sweeper.metric must be a metric on the validation images, such as {ON_VALIDATION}psnr or "
                    f"{ON_VALIDATION}ssim, got {metric!r}. Nothing may be chosen by the test images."
                )
        if len(self.metrics) != len(self.directions) or len({*self.metrics}) < len(self.metrics):
            raise ConfigError(
                f"hydra.sweeper.direction must have one word for each of {len(self.metrics)} different objectives "
                f"({', '.join(self.metrics)}), got {', '.join(self.directions)}."
            )
        if len(self.metrics) > 1 and self.pruner != "none":
            raise ConfigError(
                f"hydra.sweeper.pruner={self.pruner} compares trials by one objective, and there are "
                f"{len(self.metrics)}. Give hydra/sweeper/pruner=none."
            )

    @property
    def metrics(self) -> tuple[str, ...]:
        """The objectives, at least one."""
        return _words(self.metric)

    @property
    def directions(self) -> tuple[Any, ...]:
        """Where better is, for each of them."""
        return _words(self.direction)

    @classmethod
    def of(cls, node: Mapping[str, Any]) -> "SearchOptions":
        """From Hydra's node."""
        return cls(**{field.name: node[field.name] for field in fields(cls)})

    def make_sampler(self, index: int, attempt: int = 0) -> "BaseSampler":
        """The sampler of one trial. Its generator depends on the seed and the two numbers alone, so that a search which
        was interrupted goes on as if it had not been.

        Args:
            index: index of the trial.
            attempt: to draw values that were not tried before; from the tenth on they are drawn at random.
        """
        import numpy as np
        from optuna import samplers

        seed = int(np.random.SeedSequence((self.seed, index, attempt)).generate_state(1)[0])
        if self.sampler == "random" or attempt >= RANDOM_FROM:
            return samplers.RandomSampler(seed=seed)
        if self.sampler == "gp":
            return samplers.GPSampler(seed=seed, n_startup_trials=self.startup_trials)
        return samplers.TPESampler(
            seed=seed, n_startup_trials=self.startup_trials, multivariate=True, constant_liar=True
        )

    def make_pruner(self) -> "BasePruner":
        """What decides which trials end early."""
        from optuna import pruners

        match self.pruner:
            case "median":
                # A step is an epoch, counted from 1; Optuna begins to judge at the step of this number.
                return pruners.MedianPruner(n_startup_trials=self.startup_trials, n_warmup_steps=self.warmup_epochs + 1)
            case "successive_halving":
                return pruners.SuccessiveHalvingPruner(reduction_factor=self.reduction_factor)
            case "hyperband":
                return pruners.HyperbandPruner(reduction_factor=self.reduction_factor)
            case _:
                return pruners.NopPruner()


def _words(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(map(str, value))
