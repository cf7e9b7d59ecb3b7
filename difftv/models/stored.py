"""A trained predictor and what it was trained for, as it is stored: in the directory of a run, or in a model file.

Both are untrusted: classes are named (see `difftv.models.parts`), weights are read as tensors alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from difftv.denoiser import Denoiser
from difftv.devices import place
from difftv.errors import CheckpointError, ConfigError
from difftv.models.parts import NAME, TARGET, construct, described, named, spelt_out
from difftv.models.untrusted import looks
from difftv.network_denoiser import NetworkDenoiser
from difftv.noise import NoiseRange, SigmaRange
from difftv.noise.named import BY_NAME
from difftv.predictors import predictor_class
from difftv.predictors.base import Predictor
from difftv.regularizers import Regularizer
from difftv.solvers import Solver, whole_image_solver

_IDENTITY = "identity"

LARGEST_ARGUMENT = 10_000
"""Of a stored predictor: with more channels or layers, even the description of the network would fill the memory."""


@final
@dataclass(frozen=True)
class StoredModel:
    """What was learned, and how.

    Attributes:
        path: the directory of the run, or the model file.
        name: name of the run's directory, or of the model.
        config: the resolved configuration, its classes by name; untrusted until one of the methods has checked it.
        weights: the predictor's, after the epoch with the highest validation PSNR.
        best_epoch: number of the best epoch, counted from 1.
        finished: whether the run went to its end.
        scalars: the best constants in place of the maps on the training crops, by name (lam, gam, ...); without those
            that are not known.
    """

    path: Path
    name: str
    config: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    best_epoch: int
    finished: bool
    scalars: Mapping[str, float]

    @property
    def sigma(self) -> float | None:
        """The white noise it was trained for, in 8-bit units; None for a range, for other noise, and where the
        configuration does not say."""
        levels = self._levels
        return None if levels is None or levels.several else float(levels.low)

    @property
    def sigma_range(self) -> tuple[float, float] | None:
        """The least and the largest white noise it was trained for; None for noise of another kind, and where the
        configuration does not say."""
        return None if self._levels is None else self._levels.pair

    @property
    def _levels(self) -> SigmaRange | None:
        return None if self.noise is None else self.noise.sigma

    @property
    def noise(self) -> NoiseRange | None:
        """The noise it was trained for; None where the configuration does not say, or names none of this package."""
        try:
            name, arguments = named(self.config, "noise", self.path) if "noise" in self.config else ("gaussian", {})
            return NoiseRange.of(self.config["sigma"], BY_NAME[name], arguments)
        except (ConfigError, KeyError, TypeError, ValueError):
            return None

    @property
    def forward(self) -> str | None:
        """Name of what measured the images that it was trained on, as on the command line; None for denoising."""
        node = self.config.get("forward")
        word = node.get(NAME, node.get(TARGET)) if isinstance(node, Mapping) else None
        name = str(word).rpartition(".")[2].lower() if word else _IDENTITY
        return None if name == _IDENTITY else name

    @property
    def colour(self) -> bool:
        """Whether it is a model of RGB images, whose channels the regularizer couples.

        Raises:
            ConfigError: the configuration names something else than a regularizer of this package.
        """
        return self.regularizer().channels == 3

    @property
    def axes(self) -> int:
        """Number of axes of what it denoises: 2 for images, 3 for volumes, 1 for signals.

        Raises:
            ConfigError: as `colour`.
        """
        return self.regularizer().axes

    def predictor(self, network: Callable[..., nn.Module] | None = None) -> Predictor:
        """The trained network, on the CPU, in evaluation mode.

        Args:
            network: class of the network, where it is none of this package: no file decides what is constructed.

        Raises:
            ConfigError: the configuration names something else than a predictor of this package.
            CheckpointError: the weights are not those of that predictor.
        """
        if not all(isinstance(value, Tensor) and value.is_floating_point() for value in self.weights.values()):
            raise CheckpointError(f"The weights in {self.path} are not floating-point tensors.")
        own = None if network is None else predictor_class(network)
        # Nothing is allocated before the stored weights are known to fit; an own network may need real numbers.
        with torch.device("meta" if own is None else "cpu"), torch.random.fork_rng(devices=[]):
            predictor = construct(self.config, "predictor", self.path, own, **self._predictor_arguments())
        try:
            predictor.load_state_dict(dict(self.weights), assign=True)
        except (RuntimeError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"The weights in {self.path} do not fit its {type(predictor).__name__}: {error}"
            ) from error
        # One order in memory for every way of storing: the same weights then give the same bits.
        return place(predictor, torch.device("cpu")).eval()

    @property
    def method(self) -> type[Denoiser] | type[NetworkDenoiser]:
        """Class of what was trained; runs of earlier versions predict maps.

        Raises:
            ConfigError: the configuration names something else than a method of this package.
        """
        node = self.config.get("method")
        word = node.get(TARGET) if isinstance(node, Mapping) else "difftv.Denoiser"
        for kind in (Denoiser, NetworkDenoiser):
            if word == f"difftv.{kind.__name__}":
                return kind
        raise ConfigError(f"The configuration of {self.path} names {word!r} as its method, which is none of difftv.")

    def denoiser(
        self, solver: Solver | None = None, network: Callable[..., nn.Module] | None = None
    ) -> Denoiser | NetworkDenoiser:
        """What was trained, on the CPU, in evaluation mode; see `Denoiser.load`, which reads the model as well."""
        if solver is None:
            solver = self.whole_image_solver()
        self.check_solver(solver)
        if self.method is not Denoiser:
            return self.method(self.predictor(network), solver, self.sigma_range).eval()
        return Denoiser(self.predictor(network), solver, self.sigma_range, self.stabilise, self.looks).eval()

    @property
    def stabilise(self) -> bool:
        """Whether noise that grows with the signal was transformed, and not weighted, see `Denoiser`."""
        return self._of_method("stabilise", True) is not False

    @property
    def looks(self) -> int:
        """Number of times that the predictor looks at an image, see `Denoiser`."""
        try:
            return looks(self._of_method("looks", 1), "looks")
        except ValueError as error:
            raise ConfigError(f"{self.path}: {error}.") from None

    def _of_method(self, name: str, default: object) -> object:
        """An argument of the method: of a model file as it stands, of a run within its part."""
        node = self.config.get("method")
        of_run = node.get(name, default) if isinstance(node, Mapping) else default
        return self.config.get(name, of_run)

    def _predictor_arguments(self) -> dict[str, Any]:
        """What follows for the predictor from the regularizer and from the noise that it was trained for."""
        node = self.config.get("predictor")
        node = node if isinstance(node, Mapping) else {}
        for key, value in node.items():
            if isinstance(value, int | float) and abs(value) > LARGEST_ARGUMENT:
                raise ConfigError(f"{self.path}: predictor: {key} is {value:g}; up to {LARGEST_ARGUMENT} is read.")
        start = {key: node[key] for key in ("initial_lam", "sigma_input") if key in node}
        told = self.noise is not None and self.noise.told
        try:
            return self.method.predictor_arguments(start, self.regularizer(), sigma_input=told)
        except ValueError as error:
            raise ConfigError(f"{self.path}: predictor: {error}") from error

    def explicit_config(self) -> dict[str, Any]:
        """Predictor, regularizer and solver with every argument, also those left to a default, noise and forward model.

        A model that is described in this way is not changed by a later version with other defaults.

        Raises:
            ConfigError: the configuration names something else than classes of this package.
        """
        noise = self.noise
        if noise is None:
            raise ConfigError(f"The configuration of {self.path} holds no sigma.")
        if self.method is not Denoiser:
            raise ConfigError(f"{self.path} predicts the image and no maps: there are no model files of that.")
        config = described(self.config)
        return {
            "predictor": self.explicit_predictor(),
            "regularizer": spelt_out(config, "regularizer", self.path),
            "solver": spelt_out(config, "solver", self.path),
            "sigma": config["sigma"],
            **({} if self.forward is None else {"forward": self._explicit_forward()}),
            # White noise is described as before: earlier versions read such cards.
            **({} if self.looks == 1 else {"looks": self.looks}),
            **({} if noise.white else {"noise": {**config["noise"]}, "stabilise": self.stabilise}),
        }

    def _explicit_forward(self) -> dict[str, Any]:
        """What measured the images, by name; its class is none that a file has constructed."""
        arguments = {key: value for key, value in self.config["forward"].items() if key not in (NAME, TARGET)}
        return {NAME: self.forward, **arguments}

    def explicit_predictor(self) -> dict[str, Any]:
        """The predictor's part of `explicit_config`.

        Raises:
            ConfigError: the configuration names something else than a predictor of this package.
        """
        predictor = spelt_out(described(self.config), "predictor", self.path, **self._predictor_arguments())
        if isinstance(start := predictor["initial_lam"], int | float):
            predictor["initial_lam"] = [start] * predictor["num_maps"]
        return predictor

    def regularizer(self) -> Regularizer:
        """A regularizer like the one of the run.

        Raises:
            ConfigError: the configuration names something else than a regularizer of this package.
        """
        return construct(self.config, "regularizer", self.path)

    def own_solver(self) -> Solver:
        """A solver like the one that the run was trained with.

        Raises:
            ConfigError: the configuration names something else than a solver of this package.
            MissingDependencyError: an optional package is not installed.
        """
        return construct(self.config, "solver", self.path, regularizer=self.regularizer())

    def whole_image_solver(self) -> Solver:
        """The solver that takes images of any size, whatever the run was trained with: exact where there is one."""
        return whole_image_solver(self.regularizer())

    def check_solver(self, solver: Solver) -> None:
        """Refuse a solver that minimises something else than the predictor was trained for.

        Raises:
            TypeError: it is no solver.
            ConfigError: its regularizer is not like the run's.
        """
        if not isinstance(solver, Solver):
            raise TypeError(f"solver must be a Solver such as Exact(AnisotropicTV()), got {solver!r}.")
        wanted, found = self.regularizer(), solver.regularizer
        # Also what came later than the run, which it has at the default.
        names = [name for name in spelt_out(self.config, "regularizer", self.path) if hasattr(wanted, name)]
        if type(found) is not type(wanted) or any(getattr(found, name) != getattr(wanted, name) for name in names):
            stated = self.config["regularizer"]
            given = {name: getattr(wanted, name) for name in names if name != NAME and name in stated}
            settings = ", ".join(f"{name}={value!r}" for name, value in given.items() if value is not None)
            raise ConfigError(
                f"{self.path} was trained with {type(wanted).__name__}({settings}), but the solver minimises "
                f"another regularizer (a {type(found).__name__}). Construct it with the run's."
            )
