"""The forms in which a caller may give the maps of a regularizer, and the stack that each of them stands for."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from difftv.arguments import is_number
from difftv.regularizers.base import Regularizer
from difftv.types import Image, Map

MapsLike = float | Tensor | np.ndarray | Sequence[float | Tensor | np.ndarray]
"""A number, one array for all maps, or a list with one of them per map."""

Weights = MapsLike
"""The name in earlier versions."""


def full_map(lam: MapsLike, noisy: Image, channels: tuple[int, ...], per: str) -> Map:
    """The map that `lam` stands for, on the device of `noisy`.

    Args:
        lam: a number, or a tensor (array) with one element, of the shape of space, such as (height, width), or of shape
            (batch, maps, *space), where any size but that of maps may be 1; or a list with one of these per map, those
            with dimensions for batch and maps with one channel. A number gets single precision at least.
        noisy: (batch, channels, *space), which share the map.
        channels: the numbers of maps that are allowed.
        per: word for the thing that each of several maps belongs to, for the messages.

    Returns:
        (batch, maps, *space).

    Raises:
        TypeError: neither number nor tensor nor a list of them.
        ValueError: another shape, or another number of maps. Values are checked by the solver.
    """
    allowed = dict.fromkeys(channels, per)
    if isinstance(lam, list | tuple):
        _check_list(lam, channels, per)
        return torch.cat([_full(_tensor(one, noisy), noisy, {1: per}) for one in lam], dim=1)
    return _full(_tensor(lam, noisy), noisy, allowed)


def channel_maps(lam: MapsLike, noisy: Image, directions: int | None = None) -> Float[Tensor, "images maps *space"]:
    """The maps of channels that are denoised each by itself as gray images.

    Args:
        lam: as for `full_map`; a map of as many channels as the image has belongs to these.
        noisy: (batch, channels, *space).
        directions: how many maps a gray image may have besides a single one; None: one per axis.

    Returns:
        (batch * channels, maps, *space), for noisy.reshape(-1, 1, *space).

    Raises:
        TypeError: as for `full_map`.
        ValueError: likewise, or a map of as many channels as there are directions, which could belong to either.
    """
    count, space = noisy.shape[1], noisy.shape[2:]
    directions = len(space) if directions is None else directions
    numbers = tuple(dict.fromkeys((1, directions)))
    allowed = {1: "direction", count: "channel"} if count > 1 else {1: "direction"}
    if isinstance(lam, list | tuple):
        _check_list(lam, numbers, "direction")
        maps = torch.stack([_full(_tensor(one, noisy), noisy, allowed).expand(noisy.shape) for one in lam], dim=2)
        return maps.reshape(-1, len(lam), *space)
    given = _tensor(lam, noisy)
    if directions == count > 1 and given.ndim == noisy.ndim and given.shape[1] == count:
        raise ValueError(
            f"lam of shape {tuple(given.shape)} for an image of {'two' if count == 2 else count} channels could mean "
            "channels or directions. In a list it is told apart: [lam] is one map per channel, "
            f"{'[lam[:, :1], lam[:, 1:]]' if count == 2 else 'lam.split(1, dim=1)'} one per direction."
        )
    per_direction = dict.fromkeys(numbers, "direction")
    maps = _full(given, noisy, {**per_direction, **allowed})
    if maps.shape[1] in (1, count):
        return maps.expand(noisy.shape).reshape(-1, 1, *space)
    return maps[:, None].expand(-1, count, *maps.shape[1:]).reshape(-1, *maps.shape[1:])


def shared(regularizer: Regularizer, maps: Float[Tensor, "batch given *space"]) -> Map:
    """A single map for a regularizer with several: each its ratio times it plus its offset (`MapSpec`)."""
    if maps.shape[1] == regularizer.num_maps:
        return maps
    return torch.cat([spec.ratio * maps + spec.offset for spec in regularizer.maps], dim=1)


def _tensor(lam: object, noisy: Image) -> Tensor:
    """`lam` as a floating-point tensor; a number in single precision at least, whatever the precision of `noisy`."""
    if not is_number(lam) and not isinstance(lam, Tensor | np.ndarray | np.number):
        raise TypeError(
            "lam must be a number or a tensor, or a list with one of them per map, "
            f"got {type(lam).__module__}.{type(lam).__qualname__}."
        )
    if isinstance(lam, Tensor) and lam.is_floating_point():
        return lam.to(device=noisy.device)
    precision = torch.promote_types(noisy.dtype, torch.float32) if noisy.is_floating_point() else torch.float32
    return torch.as_tensor(lam, dtype=precision, device="cpu").to(device=noisy.device)


def _check_list(lam: Sequence[object], channels: tuple[int, ...], per: str) -> None:
    if len(lam) not in channels:
        raise ValueError(
            f"lam as a list holds one weight per {per}, {_either(channels)} of them; got {len(lam)}. "
            "A map itself goes in as a tensor or an array."
        )


def _full(given: Tensor, noisy: Image, allowed: Mapping[int, str]) -> Map:
    """(batch, maps, *space); `allowed`: number of maps -> what each of them is for."""
    batch, _, *space = noisy.shape
    if given.numel() == 1:
        return given.reshape([1] * noisy.ndim).expand(batch, 1, *space)
    if list(given.shape) == space:
        return given.expand(batch, 1, *space)
    if given.ndim == noisy.ndim:
        wanted = (batch, given.shape[1], *space)
        if given.shape[1] in allowed and all(have in (1, want) for have, want in zip(given.shape, wanted, strict=True)):
            return given.expand(wanted)
    sizes = ", ".join(str(size) for size in space)
    several = "".join(
        f" or, with a map per {per}, ({batch}, {count}, {sizes})" for count, per in allowed.items() if count > 1
    )
    raise ValueError(
        f"lam must be a number, a map ({sizes}{',' * (len(space) == 1)}) for all images, or have shape "
        f"({batch}, 1, {sizes}){several}, whose sizes but the second may be 1; got shape {tuple(given.shape)}."
    )


def _either(channels: tuple[int, ...]) -> str:
    return " or ".join(str(count) for count in channels)
