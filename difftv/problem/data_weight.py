"""Data weights, checked and in the form that solvers take them in."""

import warnings

import torch
from torch import Tensor

from difftv.problem.data_term import weighted_mean
from difftv.regularizers.base import Regularizer
from difftv.space import per_image, spatial
from difftv.types import Image, Map

_WHITE = (255.0, 65535.0)
"""White in image files."""


def normalised(noisy: Image, lam: Map, weight: Tensor, regularizer: Regularizer) -> tuple[Image, Map, Image]:
    """The same problem with weights of about 1: (w, lam) and (c w, c lam) have the same minimiser for every c > 0.

    c is the median of the positive weights of an image, so that a constant weight becomes 1 exactly. Pixels of weight 0
    get the weighted mean of the others, whatever stands there: it does not matter, and units are made from all pixels.
    They have no gradient: that in w would depend on a value that is not known.

    Raises:
        TypeError: `weight` is not a tensor.
        ValueError: its shape is not that of `noisy`, it is not floating point, negative, NaN or infinite somewhere, or
            0 at all pixels of a channel; or `noisy` is not finite at a pixel of positive weight.

    Warns:
        RuntimeWarning: the weights are 0 and 255 (or 65535): a mask that was read from a file.
    """
    _check(noisy, weight)
    weight = weight.to(device=noisy.device)
    values = weight.detach().to(device="cpu").flatten(1)
    typical = torch.where(values > 0, values, torch.full_like(values, torch.nan)).nanmedian(dim=1).values
    typical = per_image(typical, noisy).to(device=noisy.device)
    weights = regularizer.weight_channels
    maps = [part / typical if channel in weights else part for channel, part in enumerate(lam.split(1, dim=1))]
    known = weight.detach() > 0
    seen = torch.where(known, noisy.detach(), torch.zeros_like(noisy))
    mean = weighted_mean(seen, weight.detach())
    return (
        torch.where(known, noisy, mean.to(noisy.dtype)),
        torch.cat(maps, dim=1),
        torch.where(known, weight, weight.detach()) / typical,
    )


def _check(noisy: Image, weight: object) -> None:
    if not isinstance(weight, Tensor):
        raise TypeError(
            f"data_weight must be a torch.Tensor, got {type(weight).__module__}.{type(weight).__qualname__}. "
            "A constant weight c is the same as lam / c."
        )
    if weight.shape != noisy.shape:
        raise ValueError(
            f"data_weight must have the shape of noisy, {tuple(noisy.shape)}, got {tuple(weight.shape)}. "
            "One map for all images is data_weight.expand(noisy.shape)."
        )
    if not weight.is_floating_point():
        raise ValueError(f"data_weight must be floating point, got {weight.dtype}. Convert it with .float().")
    values = weight.detach()
    if values.numel() and not bool((values.isfinite() & (values >= 0)).all()):
        worst = values[~(values.isfinite() & (values >= 0))].flatten()[0]
        raise ValueError(
            f"data_weight must be finite and >= 0 everywhere (0 = missing pixel), it holds {float(worst):g}."
        )
    if values.numel() and not bool((values.amax(dim=spatial(values)) > 0).all()):
        empty = (values.amax(dim=spatial(values)) <= 0).any(dim=1).nonzero().flatten().tolist()
        raise ValueError(
            f"data_weight is 0 at all pixels (of a channel) in image(s) {empty} of the batch. Leave out such images."
        )
    unknown = (values > 0) & ~noisy.detach().isfinite()
    if bool(unknown.any()):
        images = unknown.flatten(1).any(dim=1).nonzero().flatten().tolist()
        raise ValueError(
            f"noisy holds NaN or infinity in image(s) {images} of the batch, at pixels that count. Check the input "
            "images, or give these pixels the data_weight 0 (missing)."
        )
    _warn_of_mask(values)


def _warn_of_mask(weight: Tensor) -> None:
    largest = float(weight.amax()) if weight.numel() else 0.0
    if largest in _WHITE and bool((weight == 0).any()) and bool(((weight == 0) | (weight == largest)).all()):
        warnings.warn(
            f"data_weight is 0 and {largest:g}, which looks like a mask read from a file: a weight of {largest:g} is "
            f"the same as lam / {largest:g}. Pixels that are known are data_weight > 0, a mask of booleans.",
            RuntimeWarning,
            stacklevel=2,
        )
