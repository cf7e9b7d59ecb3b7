"""Losses of deepinv that see noisy images alone."""

import inspect
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, nn

from difftv.errors import ConfigError, MissingDependencyError
from difftv.extras import require
from difftv.lab.losses.base import NoisyImages, WithoutClean
from difftv.types import PerImage


@final
class Deepinv(WithoutClean):
    """A loss of `deepinv.loss` for denoising: SureGaussianLoss, R2RLoss, Neighbor2Neighbor, ...

    It is made anew in every step with `arguments`, and `sigma`, on images in [0, 1], where it takes that; its physics
    is denoising with Gaussian noise of that level. What it draws follows from the seed, epoch and step of the run. A
    loss that changes the input of the model (R2RLoss) costs one more solve.

    Args:
        name: name of the class in `deepinv.loss`.
        arguments: its arguments by name, numbers, words and flags, but for `sigma`.

    Raises:
        MissingDependencyError: deepinv is not installed, or cannot be imported.
        ValueError: there is no such loss, or it does not take these arguments.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        require("deepinv", "deepinv", by="loss=deepinv")
        try:
            import deepinv
        except (ImportError, RuntimeError) as error:  # as a rule a torchvision of another build than torch
            raise MissingDependencyError(f"deepinv is installed but cannot be imported: {error}") from error
        self.name, self.arguments = name, dict(arguments or {})
        self._physics = deepinv.physics
        kind = getattr(deepinv.loss, name, None) if isinstance(name, str) else None
        if not (isinstance(kind, type) and issubclass(kind, deepinv.loss.Loss)):
            known = sorted(
                word
                for word, value in vars(deepinv.loss).items()
                if isinstance(value, type) and issubclass(value, deepinv.loss.Loss) and value is not deepinv.loss.Loss
            )
            raise ValueError(f"name must be a loss of deepinv, got {name!r}. There are: {', '.join(known)}.")
        self._kind = kind
        if "mask_generator" in inspect.signature(kind).parameters:
            raise ValueError(
                f"name must be a loss that draws from torch's generator: {name} draws from a generator of its own, "
                "which would draw the same mask in every step."
            )
        self._takes_sigma = "sigma" in inspect.signature(kind).parameters
        if "sigma" in self.arguments:
            raise ValueError("arguments must not hold sigma, which is that of the run: give sigma as one number.")
        try:
            self._made(0.1)
        except TypeError as error:
            raise ValueError(f"arguments must be those of {name}, got {self.arguments!r}: {error}.") from error

    def per_image(self, images: NoisyImages) -> PerImage:
        sigma = images.sigma
        if not bool((sigma == sigma[0]).all()):
            raise ConfigError(
                "A loss of deepinv takes one noise level for all images, not a range: give sigma as one number."
            )
        level = float(images.noise_std[0])
        loss: Any = self._made(level)
        model = _Model(images, float(sigma[0]))
        physics = self._physics.Denoising(self._physics.GaussianNoise(level)).to(images.noisy.device)
        adapted = loss.adapt_model(model)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(images.seed)
            denoised = images.denoised
            if adapted is not model:
                # Only the wrapper: dropout and the like stay as they are.
                adapted.training = True
                denoised = adapted(images.noisy, physics, update_parameters=True)
            try:
                value = loss(x_net=denoised, x=None, y=images.noisy, physics=physics, model=adapted, epoch=0)
            except ValueError as error:
                raise ConfigError(f"{self.name} of deepinv: {error}") from error
        if not isinstance(value, Tensor):
            raise ConfigError(f"{self.name} of deepinv gave {type(value).__name__}, not a tensor.")
        return value.expand(len(images.noisy)) if value.ndim == 0 or len(value) == 1 else value

    def _made(self, noise_std: float) -> nn.Module:
        made: nn.Module = self._kind(**self.arguments, **({"sigma": noise_std} if self._takes_sigma else {}))
        return made


class _Model(nn.Module):
    """The method that is trained, as deepinv calls a model."""

    def __init__(self, images: NoisyImages, sigma: float) -> None:
        super().__init__()
        self._images = images
        self._sigma = sigma

    def forward(self, y: Tensor, physics: Any = None, **kwargs: Any) -> Tensor:
        if y is self._images.noisy:
            return self._images.denoised
        return self._images.denoise(y, y.new_full((len(y),), self._sigma))
