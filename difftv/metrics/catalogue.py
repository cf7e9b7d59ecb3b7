"""All metrics at once, and the one place for what each of them means: name, direction, unit, description."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from difftv.metrics.contract import check_pair, luma, on_cpu
from difftv.metrics.edges import epi, fom, gmsd, gradient_ratio, gradient_w1
from difftv.metrics.fidelity import GRAY_OR_RGB, psnr, psnr_edge, psnr_smooth, ssim
from difftv.metrics.maps import check_map, edge_to_smooth, field_length, grouped
from difftv.metrics.masks import masks_of
from difftv.metrics.staircasing import dof_ratio, false_jump, plateau_excess, plateau_excess_ramp, second_order
from difftv.space import inner
from difftv.types import Fields, Image, Map, PerImage

Direction = Literal["higher", "lower", "zero", "one"]
"""Which value is best: the highest, the lowest, the nearest to 0, the nearest to 1."""


@dataclass(frozen=True)
class Meaning:
    """What a column of a table, or an axis of a figure, needs to know about a metric.

    Attributes:
        direction: which value is best; None where none is (a statistic).
        unit: "dB", "[0,1]" (intensity), "share" (of 1) or "" (a pure number).
        description: quantity that it reads, in a few words.
    """

    direction: Direction | None
    unit: str
    description: str


MEANING: dict[str, Meaning] = {
    "psnr": Meaning("higher", "dB", "peak signal-to-noise ratio, whole image, data range 1"),
    "ssim": Meaning("higher", "", "structural similarity, Gaussian window 11, sigma 1.5; of volumes slice by slice"),
    "estimated_mse": Meaning("lower", "", "mean squared error, estimated from the noisy image and its noise (SURE)"),
    "loss": Meaning("lower", "", "loss of the training, which needs no clean image"),
    "psnr_smooth": Meaning("higher", "dB", "PSNR where the clean image is smooth"),
    "psnr_edge": Meaning("higher", "dB", "PSNR at the edges of the clean image"),
    "stair/plateau_excess": Meaning("zero", "share", "flat pixels in smooth regions, beyond those of the clean image"),
    "stair/plateau_excess_ramp": Meaning("zero", "share", "flat pixels on ramps, beyond those of the clean image"),
    "stair/dof_ratio": Meaning(None, "share", "plateaus per pixel, one gray level counting as equal"),
    "stair/dof_ratio_1e-6": Meaning(None, "share", "plateaus per pixel, 1e-6 counting as equal: degrees of freedom"),
    "stair/false_jump": Meaning("lower", "share", "jumps above 3 gray levels in smooth regions"),
    "stair/second_order": Meaning("zero", "", "curvature over slope in smooth regions, beyond the clean image's"),
    "edge/gradient_ratio": Meaning("one", "", "gradient on the clean image's contours, relative to the clean image"),
    "edge/epi": Meaning("higher", "", "correlation of the Laplacians (edge preservation index)"),
    "edge/fom": Meaning("higher", "", "Pratt's figure of merit: place of the edges"),
    "edge/gmsd": Meaning("lower", "", "gradient magnitude similarity deviation"),
    "edge/gradient_w1": Meaning("lower", "[0,1]", "Wasserstein-1 distance of the gradient distributions"),
    "lam/edge_to_smooth": Meaning(None, "", "lam at edges over lam in smooth regions; below 1 = relaxes at edges"),
    "lam/mean": Meaning(None, "[0,1]", "mean of the map"),
    "lam/min": Meaning(None, "[0,1]", "minimum of the map"),
    "lam/max": Meaning(None, "[0,1]", "maximum of the map"),
    "lam/zero_gradient_share": Meaning("lower", "share", "entries of the map whose gradient is exactly zero"),
    "gam/free_edge_share": Meaning(None, "share", "differences |Du| <= gam, which cost nothing"),
    "v/mean": Meaning(None, "[0,1]", "mean length of the auxiliary field v, intensity per pixel"),
    "v/max": Meaning(None, "[0,1]", "largest length of the auxiliary field v, intensity per pixel"),
}
"""`lam/...` stands for the maps of every name: `meaning_of` finds `lam1/mean` or `gam/edge_to_smooth` there."""

DIRECTION: dict[str, Direction | None] = {name: meaning.direction for name, meaning in MEANING.items()}


def meaning_of(metric: str) -> Meaning | None:
    """What a metric means, those of a map by whatever name it has; None where that is unknown."""
    return MEANING.get(metric) or MEANING.get(f"lam/{metric.partition('/')[2]}")


def image_metrics(denoised: Image, clean: Image) -> dict[str, PerImage]:
    """All metrics of a denoised image, by the names of `MEANING`; of RGB, all but `psnr` and `ssim` are of the luma.

    Of signals there is no `ssim`, and of signals and volumes neither `edge/fom` nor `edge/gmsd`, which are defined for
    images.

    Args:
        denoised: (batch, 1 or 3, *space), nominally in [0, 1].
        clean: clean image, of the same shape and dtype.

    Returns:
        One (batch,) tensor per name, on the device and in the dtype of the images, without gradient. NaN where a metric
        is not defined for an image (see each one), +inf for the PSNR of equal images. `psnr` and `ssim` are computed on
        the device of the images, the others on the CPU in float64.

    Raises:
        ValueError: a shape or a dtype does not fit.
    """
    check_pair(denoised, clean, channels=GRAY_OR_RGB)
    axes = clean.ndim - 2
    u, x = luma(on_cpu(denoised)), luma(on_cpu(clean))
    masks = masks_of(x)
    diagnostics = {
        "psnr_smooth": psnr_smooth(u, x, masks=masks),
        "psnr_edge": psnr_edge(u, x, masks=masks),
        "stair/plateau_excess": plateau_excess(u, x, masks=masks),
        "stair/plateau_excess_ramp": plateau_excess_ramp(u, x, masks=masks),
        "stair/dof_ratio": dof_ratio(u, x),
        "stair/dof_ratio_1e-6": dof_ratio(u, x, tau=1e-6),
        "stair/false_jump": false_jump(u, x, masks=masks),
        "stair/second_order": second_order(u, x, masks=masks),
        "edge/gradient_ratio": gradient_ratio(u, x, masks=masks),
        "edge/epi": epi(u, x),
        **({"edge/fom": fom(u, x), "edge/gmsd": gmsd(u, x)} if axes == 2 else {}),
        "edge/gradient_w1": gradient_w1(u, x),
    }
    with torch.no_grad():
        fidelity = {"psnr": psnr(denoised, clean)} | ({"ssim": ssim(denoised, clean)} if axes > 1 else {})
    return fidelity | {
        name: values.to(dtype=denoised.dtype).to(device=denoised.device) for name, values in diagnostics.items()
    }


def map_metrics(lam: Map, clean: Image | None, *, names: Sequence[str] = ("lam",)) -> dict[str, PerImage]:
    """The metrics of regularization maps that need no gradient: `lam/mean`, `gam/max`, `lam1/edge_to_smooth`, ...

    Args:
        lam: (batch, maps, *space), >= 0.
        clean: (batch, 1 or 3, *space); where the edges are. None: without `edge_to_smooth`.
        names: names of the channels, `Regularizer.map_names`. Directions of one map (lam_v, lam_h) share their row of
            numbers (`map_groups`), others never do.

    Returns:
        One (batch,) tensor per name, on the device and in the dtype of lam, without gradient.

    Raises:
        ValueError: a shape, a dtype or the number of names does not fit.
    """
    found = dict[str, PerImage]()
    if clean is not None:
        clean = luma(clean)
        check_map(lam, clean)
        masks = masks_of(clean)
    for name, values in grouped(lam.detach(), names).items():
        if clean is not None:
            found[f"{name}/edge_to_smooth"] = edge_to_smooth(values, clean, masks=masks)
        found |= {
            f"{name}/mean": values.mean(dim=inner(values)),
            f"{name}/min": values.amin(dim=inner(values)),
            f"{name}/max": values.amax(dim=inner(values)),
        }
    return found


def field_metrics(v: Fields) -> dict[str, PerImage]:
    """Statistics of the length of an auxiliary field, `v/mean` and `v/max`.

    Args:
        v: (batch, axes or, of RGB, 6, *space), `Solution.auxiliary`.
    """
    length = field_length(v)
    return {"v/mean": length.mean(dim=inner(length)), "v/max": length.amax(dim=inner(length))}
