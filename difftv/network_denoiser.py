"""A network that predicts the image: what a convex model of the same network is compared with."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from difftv.errors import ConfigError
from difftv.method import Method
from difftv.noise import Noise, as_noise, as_white
from difftv.predictors.base import Predictor
from difftv.regularizers.base import Regularizer
from difftv.solvers.base import Solution, Solver
from difftv.types import Image


class NetworkDenoiser(Method):
    """denoised = noisy - network(noisy), as DnCNN (Zhang et al. 2017) predicts the noise: no maps, no certificate.

    Args:
        predictor: network with one output per channel of the image; its raw output is the noise, and its maps are not
            asked for.
        solver: minimiser of the constant maps that it is compared with; not used to denoise.
        sigma_range: as for `Denoiser`.

    Raises:
        ValueError: the network has another number of outputs than the image has channels.
    """

    def __init__(self, predictor: Predictor, solver: Solver, sigma_range: tuple[float, float] | None = None) -> None:
        if predictor.num_maps != predictor.channels:
            raise ValueError(
                f"{predictor.name} has {predictor.num_maps} output(s) for images of {predictor.channels} channel(s). "
                "A network that predicts the image has as many: construct it with num_maps=channels."
            )
        super().__init__(predictor, solver, sigma_range)

    @classmethod
    def load(
        cls, path: Path | str, solver: Solver | None = None, network: Callable[..., nn.Module] | None = None
    ) -> "NetworkDenoiser":
        """The denoiser of a run with `method=network`, on the CPU; arguments and errors as for `Denoiser.load`."""
        from difftv.lab.models.reading import read_model

        found = read_model(path).denoiser(solver, network)
        if not isinstance(found, cls):
            raise ConfigError(f"{path} predicts maps: load it with {type(found).__name__}.load.")
        return found

    @staticmethod
    def predictor_arguments(
        arguments: Mapping[str, Any], regularizer: Regularizer, *, sigma_input: bool = False
    ) -> dict[str, Any]:
        """Arguments of the predictor, with one output per channel of the images."""
        complete = {**arguments, "num_maps": regularizer.channels, "channels": regularizer.channels}
        if regularizer.axes != 2:
            complete["axes"] = regularizer.axes
        return {"sigma_input": True, **complete} if sigma_input else complete

    @property
    def map_names(self) -> tuple[str, ...]:
        """Empty: there are no maps."""
        return ()

    def denoise(self, noisy: Image, noise: Noise | float | Tensor, data_weight: Image | None = None) -> Solution:
        """Denoise images whose noise is known, whether the network has it as an input or not.

        Args:
            noisy: as for `Denoiser`.
            noise: as for `Denoiser`.
            data_weight: None: there is no data term.

        Returns:
            `denoised`, differentiable; no maps, 0 iterations, and a gap that is not a number: nothing is minimised.

        Raises:
            ValueError: data_weight is given, or the noise is not white.
        """
        if data_weight is not None:
            raise ValueError("data_weight must be None: a network that predicts the image has no data term.")
        noise = as_noise(noise)
        if noise.data_weight(noisy) is not None:
            raise ValueError(f"noise must be white for a network that predicts the image, got {noise}.")
        self.check(noisy)
        white = as_white(noisy, noise)
        level = self.told(noisy, white.sigma)
        raw = self.predictor.raw_map(self.predictor.features(self.in_precision(noisy), level))
        batch, _, *space = noisy.shape
        return Solution(
            denoised=noisy - raw.to(noisy.dtype),
            lam=noisy.new_zeros(batch, 0, *space),
            gap=torch.full((batch,), math.nan, dtype=torch.float64, device="cpu"),
            iterations=torch.zeros(batch, dtype=torch.int64, device="cpu"),
            converged=torch.ones(batch, dtype=torch.bool, device="cpu"),
        )
