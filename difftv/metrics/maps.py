"""The regularization map: whether it relaxes at the edges of the clean image, and how much of it learns."""

from difftv.metrics.contract import check_image, on_cpu
from difftv.metrics.masks import Mask, Masks, masks_of
from difftv.types import Image, Map, PerImage


def edge_to_smooth(lam: Map, clean: Image, *, masks: Masks | None = None) -> PerImage:
    """Mean of lam on the edges M_e over its mean on the smooth part M_s; below 1 = the map relaxes at edges.

    Args:
        lam: (batch, maps, height, width), >= 0; the mean runs over its channels too.
        clean: (batch, 1, height, width); where the edges are.
        masks: `masks_of(clean)` where it is at hand.

    Returns:
        (batch,), on the device and in the dtype of lam, without gradient; 1 for a constant map, NaN where M_e or M_s is
        empty.

    Raises:
        ValueError: a shape or a dtype does not fit.
    """
    check_image("clean", clean)
    _check_map(lam, clean)
    masks = masks or masks_of(clean)
    values = on_cpu(lam).mean(dim=1, keepdim=True)
    return (_mean_on(values, masks.edge) / _mean_on(values, masks.smooth)).to(dtype=lam.dtype).to(device=lam.device)


def zero_gradient_share(gradient: Map) -> PerImage:
    """Share of the entries of a map that get a gradient of exactly zero: regions from which nothing is learnt.

    Inside a plateau of u* the derivative by lam is zero, so about half of a map is usual for total variation. The few
    entries past the border, which weigh no difference, are counted too.

    Args:
        gradient: dL/dlam, (batch, maps, height, width).

    Returns:
        (batch,), in [0, 1], in the dtype of the gradient.
    """
    return (gradient.detach() == 0).to(dtype=gradient.dtype).mean(dim=(1, 2, 3))


def _check_map(lam: Map, clean: Image) -> None:
    if lam.ndim != 4 or lam.shape[0] != clean.shape[0] or lam.shape[2:] != clean.shape[2:]:
        raise ValueError(
            f"lam must have shape (batch, maps, height, width) with the sizes of clean {tuple(clean.shape)}, got "
            f"{tuple(lam.shape)}. A scalar goes in as torch.full_like(clean, value)."
        )
    if not lam.is_floating_point():
        raise ValueError(f"lam must be floating point, got {lam.dtype}. Convert it with .float().")


def _mean_on(values: Image, mask: Mask) -> PerImage:
    return (values * mask).sum(dim=(1, 2, 3)) / mask.sum(dim=(1, 2, 3))
