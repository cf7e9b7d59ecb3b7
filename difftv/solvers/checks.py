"""What every solver asks of its arguments, before any work."""

import torch
from torch import Tensor

from difftv.regularizers.base import Regularizer
from difftv.space import AXES, layout, spatial
from difftv.types import Image, Map


def check_kinds(noisy: Tensor, lam: Tensor, regularizer: Regularizer) -> None:
    """What can be told without looking at a single number."""
    for name, tensor in (("noisy", noisy), ("lam", lam)):
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"{name} must be a torch.Tensor, got {type(tensor).__module__}.{type(tensor).__qualname__}. "
                "Convert an array with torch.from_numpy(array)[None, None]."
            )
    channels = regularizer.channels
    axes = regularizer.axes
    if noisy.ndim != 2 + axes or noisy.shape[1] != channels:
        options = [f"channels={channels}"] * (channels > 1) + [f"axes={axes}"] * (axes != 2)
        chosen = f" with {', '.join(options)}" if options else ""
        raise ValueError(
            f"noisy must have shape {layout(axes, str(channels))} for {regularizer.name}{chosen}, "
            f"got {tuple(noisy.shape)}. {_other_shape(noisy, axes)}"
        )
    if 0 in noisy.shape[2:]:
        raise ValueError(f"noisy must have at least one pixel per image, got shape {tuple(noisy.shape)}.")
    expected = (noisy.shape[0], regularizer.num_maps, *noisy.shape[2:])
    if tuple(lam.shape) != expected:
        raise ValueError(
            f"lam must have shape {expected} {layout(axes, 'maps')} for {regularizer.name}, whose maps are "
            f"{', '.join(regularizer.map_names)}; got {tuple(lam.shape)}. {_from_numbers(regularizer, expected)}"
        )
    for name, tensor in (("noisy", noisy), ("lam", lam)):
        if not tensor.is_floating_point():
            raise ValueError(f"{name} must be floating point, got {tensor.dtype}. Convert it with .float().")


_KEPT = 1e-4
"""Share of the contrast of an image that rounding to a lower precision may take."""


def check_precision(noisy: Image, dtype: torch.dtype) -> None:
    """Refuse float64 images whose contrast a lower precision cannot hold: the minimiser would be silently wrong."""
    if noisy.dtype != torch.float64 or dtype == torch.float64 or noisy.numel() == 0 or not noisy.isfinite().all():
        return
    low, high = (extreme(noisy, dim=spatial(noisy)) for extreme in (torch.amin, torch.amax))
    contrast = (high - low).amax(dim=1)
    low, high = low.amin(dim=1), high.amax(dim=1)
    largest = torch.maximum(low.abs(), high.abs())
    facts = torch.finfo(dtype)
    # The gap squares the contrast.
    fits = (contrast > facts.tiny**0.5) & (largest < facts.max**0.5) & (facts.eps * largest <= _KEPT * contrast)
    lost = ~fits & (contrast > 0)
    if bool(lost.any()):
        first = int(lost.nonzero()[0])
        raise ValueError(
            f"noisy is float64, and {dtype} cannot hold image {first} of the batch (from {float(low[first]):.6g} to "
            f"{float(high[first]):.6g}). Construct the solver with dtype=torch.float64, or subtract the offset of the "
            "image and divide by its contrast first."
        )


def check_values(noisy: Image, lam: Map, regularizer: Regularizer) -> None:
    # One question to an accelerator, which waits for every answer; NaN fails the comparison, too.
    if noisy.numel() == 0 or bool(noisy.isfinite().all() & (lam >= 0).all()):
        return
    if not bool(noisy.isfinite().all()):
        raise ValueError(
            f"noisy holds NaN or infinity in image(s) {_images(~noisy.isfinite())} of the batch. "
            "Check the input images."
        )
    for channel, name in enumerate(regularizer.map_names):
        values = lam[:, channel : channel + 1]
        if bool(values.isnan().any()):
            raise ValueError(
                f"{name} holds NaN in image(s) {_images(values.isnan())} of the batch. If it comes from a network in "
                "training, the training has diverged: lower its learning rate or clip its gradients."
            )
        if bool((values < 0).any()):
            raise ValueError(
                f"{name} must be >= 0 everywhere, its minimum is {float(values.min()):.3g}. "
                "A predictor makes its maps positive with softplus."
            )


def _other_shape(noisy: Tensor, axes: int) -> str:
    """What to do with an image of that shape."""
    if noisy.ndim - 2 in AXES and noisy.ndim != 2 + axes:
        return f"Tensors {layout(noisy.ndim - 2)} take a regularizer with axes={noisy.ndim - 2}."
    if noisy.ndim != 2 + axes:
        return f"A single gray {'image' if axes == 2 else 'array'} goes in as image[None, None]."
    count = noisy.shape[1]
    if count == 1:
        return "Gray images take a regularizer with channels=1."
    return (
        f"Channels are denoised each by itself as images.reshape(-1, 1, {', '.join(AXES[axes])}), or coupled by a "
        f"regularizer with channels={count}, such as IsotropicTV(channels={count})."
    )


def _from_numbers(regularizer: Regularizer, expected: tuple[int, ...]) -> str:
    if regularizer.num_maps == 1:
        return f"A scalar goes in as torch.full({expected}, value)."
    shape = (1, regularizer.num_maps, *[1] * regularizer.axes)
    return f"Numbers go in as torch.tensor([{', '.join(regularizer.map_names)}]).reshape{shape}.expand{expected}."


def _images(flags: Tensor) -> list[int]:
    return [int(index) for index in flags.flatten(1).any(1).nonzero().flatten()]
