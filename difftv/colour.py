"""Whole colour images, with a denoiser of gray images or one of colour images.

A denoiser whose regularizer couples three channels takes R, G and B as they are; a gray image then goes in as three
equal channels. What follows is for a network and a solver for gray images.

A gray image is one channel. An RGB image is turned into luma and two chroma channels by an orthonormal matrix (the
opponent colours of BM3D: Dabov, Foi, Katkovnik, Egiazarian 2007), each is denoised as a gray image with a map of its
own, and the result is turned back:

    luma   = (R + G + B) / sqrt(3)
    red-blue   = (R - B) / sqrt(2)
    green-magenta = (R - 2 G + B) / sqrt(6)

Orthonormal, because the noise is then white in every channel, of the level of R, G and B. A channel has a larger range
than [0, 1], where the network expects intensities; a network that knows many noise levels is given it divided by its
range, with sigma divided alike, as far as its training goes down. On crops of six photographs of DIV2K (noise in every
colour, `gray-small`) that scores 33.92, 31.38 and 28.09 dB at sigma 15, 25 and 50; without the division 31.62, 29.77
and 27.17, and R, G and B each on its own 32.57, 30.00 and 26.77. Most of a photograph's structure is in the luma, where
the three colours' noise averages out, and the chroma is smooth.

An RGB file whose three channels are equal is a gray image and denoised as one: its noise is the same in all of them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from difftv.denoiser import Denoiser
from difftv.images import warn_outside_unit_range
from difftv.linear.opponent import OPPONENT, opponent_matrix
from difftv.missing import fill_missing
from difftv.noise import NoiseEstimate, estimate_white
from difftv.progress import watched

ChannelImage = Float[Tensor, "channels height width"]
"""1 gray or 3 RGB channels, intensities in [0, 1]."""

GRAY = ("gray",)
COLOUR = ("colour",)


@dataclass(frozen=True)
class DenoisedImage:
    """An image and how it came about.

    Attributes:
        denoised: like the noisy image; not clipped.
        lam: name of every channel that was solved -> its map, (maps, height, width).
        gap: the largest relative duality gap of the channels.
        converged: whether every solve reached its tolerance.
    """

    denoised: ChannelImage
    lam: dict[str, Float[Tensor, "maps height width"]]
    gap: float
    converged: bool


def denoise_image(
    denoiser: Denoiser,
    noisy: ChannelImage,
    *,
    sigma: float | None = None,
    data_weight: Float[Tensor, "height width"] | None = None,
    on_progress: Callable[[float], object] = lambda _: None,
) -> DenoisedImage:
    """Denoise one whole gray or RGB image, without a gradient: channel by channel, or all where it couples them.

    Args:
        denoiser: denoiser of a run (`Denoiser.load`), or any other.
        noisy: 1 gray or 3 RGB channels on the predictor's device.
        sigma: noise of every channel in 8-bit units; to be given where, and only where, the denoiser has `sigma_input`.
        data_weight: weight of every pixel in the data term, smaller = smoother, 0 = missing pixel, whose value does not
            matter, see `Solver`.
        on_progress: called with the number of channels that are done, with fractions within a long solve, for a
            progress bar.

    Raises:
        ValueError: neither 1 nor 3 channels, of the image or of what the denoiser takes.
        ProblemTooLargeError: the solver cannot take an image of this size.
        SolverError: the solver gave no answer.
    """
    if noisy.ndim != 3 or len(noisy) not in (1, 3):
        raise ValueError(f"noisy must be (1, height, width) or (3, height, width), got {tuple(noisy.shape)}.")
    if data_weight is not None:
        noisy = fill_missing(noisy[None], data_weight.expand(noisy[None].shape) > 0)[0]
    names = solved_channels(denoiser, noisy)
    denoiser.solver.check_size(*noisy.shape[1:])
    if names == COLOUR:
        solved = _solve(denoiser, noisy.expand(3, -1, -1)[None], names, sigma, data_weight, on_progress)
        return replace(solved, denoised=solved.denoised[: len(noisy)])
    if is_gray(noisy):
        solved = _solve(denoiser, noisy[:1, None], names, sigma, data_weight, on_progress)
        return replace(solved, denoised=solved.denoised.expand_as(noisy))
    matrix, middle, ranges = _opponent(noisy)
    scales = _scales(denoiser, sigma, ranges)
    divisors = noisy.new_tensor(scales).view(3, 1, 1)
    channels = (torch.einsum("ij,jhw->ihw", matrix, noisy) - middle) / divisors + 0.5
    solved = _solve(denoiser, channels[:, None], names, sigma, data_weight, on_progress, scales)
    denoised = torch.einsum("ij,ihw->jhw", matrix, (solved.denoised - 0.5) * divisors + middle)
    return replace(solved, denoised=denoised)


def solved_channels(denoiser: Denoiser, noisy: ChannelImage) -> tuple[str, ...]:
    """What is solved for an image, by name: the gray image, luma and chroma, or the colours together.

    Raises:
        ValueError: the denoiser takes images of neither 1 nor 3 channels.
    """
    channels = denoiser.predictor.channels
    if channels not in (1, 3):
        raise ValueError(f"the denoiser takes images of {channels} channels, which are neither gray nor RGB.")
    if channels == 3:
        return COLOUR
    return GRAY if is_gray(noisy) else OPPONENT


def estimate_image_noise(noisy: ChannelImage, known: Bool[Tensor, "height width"] | None = None) -> NoiseEstimate:
    """The noise level of one image, the same for every channel that is denoised: of a gray image, or of the luma.

    The matrix is orthonormal, so noise of one level in R, G and B has that level in the luma. A pixel counts as clipped
    where a colour is.

    Args:
        noisy: as for `denoise_image`.
        known: whether a pixel counts, (height, width); None = all do.

    Raises:
        ValueError: the image is too small, has too few known pixels, or holds values that are not finite.
    """
    counts = None if known is None else known[None, None]
    if counts is not None:
        noisy = fill_missing(noisy[None], counts.expand(noisy[None].shape))[0]
    warn_outside_unit_range(noisy, "estimate_image_noise takes", stacklevel=2)
    if is_gray(noisy):
        return estimate_white(noisy[:1, None], known=counts)
    luma = noisy.sum(dim=0) / math.sqrt(3.0)
    clipped = ((noisy == 0) | (noisy == 1)).any(dim=0)
    return estimate_white(luma[None, None], clipped[None, None], counts)


def is_gray(image: ChannelImage) -> bool:
    """One channel, or three equal ones."""
    return bool((image == image[:1]).all())


def _solve(
    denoiser: Denoiser,
    images: Tensor,
    names: tuple[str, ...],
    sigma: float | None,
    data_weight: Tensor | None,
    on_progress: Callable[[float], object],
    scales: Sequence[float] = (1.0,),
) -> DenoisedImage:
    denoised, lam, gap, converged = torch.empty_like(images), {}, 0.0, True
    for index, (name, scale) in enumerate(zip(names, scales, strict=True)):
        with torch.no_grad(), watched(lambda share, before=index: on_progress(before + share)):  # type: ignore[misc]
            one = images[index : index + 1]
            weight = None if data_weight is None else data_weight.to(dtype=one.dtype).expand(one.shape)
            solution = denoiser(one, None if sigma is None else sigma / scale, weight)
        denoised[index], lam[name] = solution.denoised[0], scale * solution.lam[0]
        gap, converged = max(gap, float(solution.gap)), converged and bool(solution.converged)
        on_progress(index + 1)
    return DenoisedImage(denoised.flatten(0, 1), lam, gap, converged)


def _opponent(like: Tensor) -> tuple[Tensor, Tensor, list[float]]:
    """The matrix, mid-gray in every channel, (3, 1, 1), and the range of every channel over that of R, G and B."""
    matrix = opponent_matrix(like)
    return matrix, (0.5 * matrix.sum(dim=1)).view(3, 1, 1), matrix.abs().sum(dim=1).tolist()


def _scales(denoiser: Denoiser, sigma: float | None, ranges: Sequence[float]) -> tuple[float, ...]:
    """What every channel is divided by: its range, as far as the noise does not fall below what was trained for."""
    if sigma is None or denoiser.sigma_range is None:
        return (1.0,) * len(ranges)
    most = max(sigma / denoiser.sigma_range[0], 1.0)
    return tuple(min(extent, most) for extent in ranges)
