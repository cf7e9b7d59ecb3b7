"""The mean over the eight symmetries of the square: maps that turn with the image."""

from typing import final

from torch import nn

from difftv.predictors.base import Predictor
from difftv.predictors.strips import in_strips
from difftv.progress import part, report
from difftv.regularizers.base import Regularizer
from difftv.regularizers.symmetries import SYMMETRIES
from difftv.types import Features, Map


class RawEnsemble(nn.Module):
    """The output of a network, averaged over the image turned and mirrored, see `SelfEnsemble`."""

    def __init__(self, network: nn.Module, regularizer: Regularizer) -> None:
        super().__init__()
        self.network = network
        self._regularizer = regularizer

    def forward(self, features: Features) -> Map:
        total = features.new_zeros(())
        for index, symmetry in enumerate(SYMMETRIES):
            done, next_done = index / len(SYMMETRIES), (index + 1) / len(SYMMETRIES)
            with part(done, next_done):
                raw = in_strips(self.network, symmetry.apply(features))
            report(next_done)
            total = symmetry.undo(raw, self._regularizer) + total
        return total / len(SYMMETRIES)


@final
class SelfEnsemble(Predictor):
    """The raw maps of another predictor, averaged over the image turned and mirrored in all eight ways.

    Its maps turn with the image. They take eight times as long, for about 0.1 dB of a trained network; the
    minimisation, its certificate and its cost stay those of one image.

    Args:
        predictor: predictor whose maps are averaged; its weights are shared, not copied.
        regularizer: regularizer of the maps: a map of vertical edges is one of horizontal edges of the turned image.

    Raises:
        ValueError: the predictor's number of maps is not the regularizer's, or it is for signals or volumes.

    References: Lim, Son, Kim, Nah, Lee 2017, "Enhanced deep residual networks for single image super-resolution",
    section 3.3, who average images.
    """

    def __init__(self, predictor: Predictor, regularizer: Regularizer) -> None:
        if predictor.num_maps != regularizer.num_maps:
            raise ValueError(
                f"predictor gives {predictor.num_maps} map(s), and {regularizer.name} takes {regularizer.num_maps}: "
                "give the regularizer that it was made for."
            )
        if predictor.axes != 2:
            raise ValueError(
                f"predictor must be one of images, whose eight symmetries these are, got axes={predictor.axes}."
            )
        super().__init__(
            RawEnsemble(predictor.network, regularizer),
            predictor.num_maps,
            predictor.initial_lam,
            predictor.sigma_input,
            predictor.channels,
            predictor.floor,
        )
