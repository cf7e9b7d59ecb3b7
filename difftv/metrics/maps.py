"""The regularization maps: whether they relax at the edges of the clean image, and how much of them learns."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from difftv.metrics.contract import check_image, on_cpu
from difftv.metrics.masks import Mask, Masks, masks_of
from difftv.space import inner, layout
from difftv.types import Dual, Fields, Image, Map, PerImage, Plane

Group = Float[Tensor, "batch channels *space"]
"""The maps that share their row of numbers."""

FREE_SLACK = 1e-6
"""Slack of |Du| <= gam, intensity per pixel: rounding of float32."""

FREE_RELATIVE_SLACK = 0.01
"""The same, relative to gam: an edge that is solved to lie at gam stays there when the solve ends a little short."""


def map_groups(names: Sequence[str]) -> dict[str, list[int]]:
    """The channels that one row of numbers speaks of: those whose names differ in what follows the underscore.

    lam_v and lam_h weigh the same kind of difference in two directions and are one `lam`; lam1, lam2 and gam are not
    comparable with each other and stand by themselves.

    Args:
        names: `Regularizer.map_names`, one per channel.

    Returns:
        Name of the group -> its channels, in their order.
    """
    groups: dict[str, list[int]] = {}
    for channel, name in enumerate(names):
        groups.setdefault(name.partition("_")[0], []).append(channel)
    return groups


def grouped(lam: Map, names: Sequence[str]) -> Mapping[str, Group]:
    """The maps of every group of `map_groups`, (batch, channels, *space).

    Raises:
        ValueError: the number of names is not that of the channels.
    """
    if lam.shape[1] != len(names):
        raise ValueError(
            f"lam has {lam.shape[1]} channel(s), but {len(names)} name(s) were given: {', '.join(names)}. "
            "Give the map_names of the regularizer that the maps belong to."
        )
    groups = map_groups(names)
    return {name: lam if len(groups) == 1 else lam[:, channels] for name, channels in groups.items()}


def edge_to_smooth(lam: Map, clean: Image, *, masks: Masks | None = None) -> PerImage:
    """Mean of lam on the edges M_e over its mean on the smooth part M_s; below 1 = the map relaxes at edges.

    Args:
        lam: (batch, maps, *space), >= 0, the channels of one group; the mean runs over them too.
        clean: (batch, 1, *space); where the edges are.
        masks: `masks_of(clean)` where it is at hand.

    Returns:
        (batch,), on the device and in the dtype of lam, without gradient; 1 for a constant map, NaN where M_e or M_s is
        empty.

    Raises:
        ValueError: a shape or a dtype does not fit.
    """
    check_image("clean", clean)
    check_map(lam, clean)
    masks = masks or masks_of(clean)
    values = on_cpu(lam).mean(dim=1, keepdim=True)
    return (_mean_on(values, masks.edge) / _mean_on(values, masks.smooth)).to(dtype=lam.dtype).to(device=lam.device)


def zero_gradient_share(gradient: Map) -> PerImage:
    """Share of the entries of a map that get a gradient of exactly zero: regions from which nothing is learnt.

    Inside a plateau of u* the derivative by lam is zero, so about half of a map is usual for total variation. The few
    entries past the border, which weigh no difference, are counted too.

    Args:
        gradient: dL/dlam, (batch, maps, *space).

    Returns:
        (batch,), in [0, 1], in the dtype of the gradient.
    """
    return (gradient.detach() == 0).to(dtype=gradient.dtype).mean(dim=inner(gradient))


def free_edge_share(slope: Dual, gam: Map, real: Float[Tensor, "1 components *space"]) -> PerImage:
    """Share of the differences that cost nothing, |Du| <= gam, where a penalty leaves slopes up to gam free.

    Flat places count: their slope is 0. The comparison has a slack of `FREE_SLACK` and `FREE_RELATIVE_SLACK`, since
    many differences lie at gam exactly.

    Args:
        slope: |Du| >= 0, (batch, components, *space).
        gam: (batch, 1 or components, *space), >= 0.
        real: (1, components, *space), 1 at differences and 0 past the border.

    Returns:
        (batch,), in [0, 1], in the dtype of slope; NaN where there is no difference (an image of one pixel).
    """
    free = (slope <= gam * (1 + FREE_RELATIVE_SLACK) + FREE_SLACK).to(dtype=slope.dtype) * real
    return free.sum(dim=inner(free)) / real.sum()


def field_length(v: Fields) -> Plane:
    """|v| of an auxiliary field (batch, 2, height, width) at every pixel, (batch, 1, height, width).

    Of several channels, two fields for each, the length of all together. v_1 lives on vertical edges and v_2 on
    horizontal ones: the last row of v_1 and the last column of v_2 are ignored.
    """
    if v.shape[1] > 2:
        each = field_length(v.reshape(-1, 2, *v.shape[2:])).reshape(len(v), -1, *v.shape[2:])
        return torch.linalg.vector_norm(each, dim=1, keepdim=True)
    return torch.hypot(pad(v[:, :1, :-1], (0, 0, 0, 1)), pad(v[:, 1:, :, :-1], (0, 1)))


def check_map(lam: Map, clean: Image) -> None:
    """Refuse maps that are not those of the clean images.

    Raises:
        ValueError: with what was expected, what came and what to do.
    """
    if lam.ndim != clean.ndim or lam.shape[0] != clean.shape[0] or lam.shape[2:] != clean.shape[2:]:
        raise ValueError(
            f"lam must have shape {layout(clean.ndim - 2, 'maps')} with the sizes of clean {tuple(clean.shape)}, got "
            f"{tuple(lam.shape)}. A scalar goes in as torch.full_like(clean, value)."
        )
    if not lam.is_floating_point():
        raise ValueError(f"lam must be floating point, got {lam.dtype}. Convert it with .float().")


def _mean_on(values: Image, mask: Mask) -> PerImage:
    return (values * mask).sum(dim=inner(values)) / mask.sum(dim=inner(mask))
