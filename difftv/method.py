"""What trains, is evaluated and stands in tables: noisy images and their noise -> Solution."""

import abc
import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from difftv.errors import NoiseLevelWarning
from difftv.images import check_images, warn_outside_unit_range
from difftv.noise import Noise, SigmaRange, noise_std_per_image
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.predictors.base import ADVICE, Predictor, starting_at
from difftv.regularizers.base import Regularizer
from difftv.solvers.base import Solution, Solver
from difftv.space import KINDS
from difftv.types import Image


class Method(nn.Module, abc.ABC):
    """A network and what is made of its output: maps for a solver (`Denoiser`), or the image (`NetworkDenoiser`).

    A subclass writes `denoise`; the framework trains the predictor's weights through it. `method._target_` names it.

    Args:
        predictor: network, with what `predictor_arguments` says.
        solver: minimiser with the regularizer of the maps, also of the constant ones that the method is compared with.
        sigma_range: the least and the largest noise level that the predictor was trained for, in 8-bit units; other
            levels are taken with a `NoiseLevelWarning`. None where that is not known.
    """

    def __init__(self, predictor: Predictor, solver: Solver, sigma_range: tuple[float, float] | None = None) -> None:
        super().__init__()
        self.predictor = predictor
        self.solver = solver
        self.sigma_range = sigma_range

    @staticmethod
    def predictor_arguments(
        arguments: Mapping[str, Any], regularizer: Regularizer, *, sigma_input: bool = False
    ) -> dict[str, Any]:
        """Arguments of the predictor, completed by what follows from the regularizer; see `starting_at`."""
        return starting_at(arguments, regularizer, sigma_input=sigma_input)

    @property
    def map_names(self) -> tuple[str, ...]:
        """Names of the maps in a solution, one per channel of `Solution.lam`."""
        return self.solver.regularizer.map_names

    @property
    def colour(self) -> bool:
        """Whether it takes RGB images, whose channels the regularizer couples."""
        return self.predictor.channels == 3

    @property
    def sigma_input(self) -> bool:
        """Whether the noise level is an input of the predictor."""
        return self.predictor.sigma_input

    @abc.abstractmethod
    def denoise(self, noisy: Image, noise: Noise | float | Tensor, data_weight: Image | None = None) -> Solution:
        """Denoise images whose noise is known, whether the predictor has it as an input or not.

        Args:
            noisy: (batch, channels, *space), intensities nominally in [0, 1], on the predictor's device.
            noise: noise of the images; a number or a tensor stands for white Gaussian noise of that standard deviation
                in 8-bit units, one or one per image.
            data_weight: weight of every pixel in the data term, shaped like `noisy`, smaller = smoother, 0 = missing
                pixel, see `Solver`.
        """

    def check(self, noisy: Image) -> None:
        """Refuse what is no batch of images; warn of images that are not in the range that it was trained on."""
        check_images(noisy, axes=self.predictor.axes)
        if self.sigma_range is not None:
            warn_outside_unit_range(noisy, "the predictor was trained on", stacklevel=3)

    def in_precision(self, images: Image) -> Image:
        """The images in the precision of the network; they are denoised in their own."""
        first = next(self.predictor.parameters(), images)
        return images.to(dtype=first.dtype)

    def told(self, images: Image, sigma: float | Tensor, *, warns: bool = True) -> float | Tensor | None:
        """The noise level as the predictor takes it, in 8-bit units; None where it takes none.

        Args:
            images: images that it is shown.
            sigma: standard deviation of their noise in 8-bit units, see `Predictor`.
            warns: whether levels outside `sigma_range` get a warning; where they do not, the nearest inside is told. Of
                one per pixel the root mean square of every image counts, and the pixels are told the nearest inside.
        """
        per_pixel = isinstance(sigma, Tensor) and sigma.ndim > 1
        if warns:
            self.warn_outside(EIGHT_BIT_RANGE * noise_std_per_image(sigma, images) if per_pixel else sigma)
        if not self.sigma_input:
            return None
        if isinstance(sigma, Tensor) and self.sigma_range is not None and (per_pixel or not warns):
            return sigma.clamp(*self.sigma_range)
        return sigma

    def warn_outside(self, sigma: float | Tensor) -> None:
        """Warn of a noise level (8-bit units) that the predictor was not trained for."""
        if self.sigma_range is None:
            return
        low, high = self.sigma_range
        least, largest = (sigma, sigma) if not isinstance(sigma, Tensor) else (float(sigma.min()), float(sigma.max()))
        # Levels may have been rounded to single precision.
        if least < low * (1 - 1e-6) or largest > high * (1 + 1e-6):
            given, trained = SigmaRange(least, largest), SigmaRange(low, high)
            warnings.warn(
                f"sigma is {given}, but the predictor was trained for {trained} (8-bit units): results may be worse "
                "than at the trained levels.",
                NoiseLevelWarning,
                stacklevel=4,
            )


def check_pair(predictor: Predictor, solver: Solver) -> None:
    """Refuse a predictor whose maps the regularizer of the solver does not take.

    Raises:
        ValueError: another number of maps, of channels or of axes.
    """
    wanted = solver.regularizer.num_maps
    if predictor.num_maps != wanted:
        raise ValueError(
            f"{predictor.name} predicts {predictor.num_maps} map(s), but the "
            f"{solver.regularizer.name} regularizer takes {wanted}. Construct the predictor with num_maps={wanted}."
        )
    channels = solver.regularizer.channels
    if predictor.channels != channels:
        raise ValueError(
            f"{predictor.name} takes images of {predictor.channels} channel(s), but the "
            f"{solver.regularizer.name} regularizer those of {channels}. Construct both with the same channels."
        )
    axes = solver.regularizer.axes
    if predictor.axes != axes:
        raise ValueError(
            f"{predictor.name} is for {KINDS[predictor.axes]}, and the {solver.regularizer.name} regularizer has "
            f"axes={axes}. Construct both with the same axes. {ADVICE[axes]}"
        )
