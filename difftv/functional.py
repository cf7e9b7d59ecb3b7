"""The layer without the framework: one function, tensors in, tensor out."""

import contextlib
import warnings
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Complex
from torch import Tensor

from difftv.arguments import positive
from difftv.maps import MapsLike, channel_maps, full_map
from difftv.problem import DataTerm
from difftv.regularizers import AnisotropicTV, IsotropicTV, Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.solvers.admm import Admm
from difftv.solvers.registry import solver_for
from difftv.space import AXES, Spacing, checked_spacing, layout
from difftv.sure import choose_weight, constant_maps, is_sure, std_per_pixel
from difftv.types import Image

Images = TypeVar("Images", Image, Complex[Tensor, "batch channels *space"])

COUPLED_TOL = 1e-8
"""Of coupled channels: changes of the image over ten iterations at which small images are right to 1e-6."""

COUPLED_MAX_ITER = 20000
"""The tolerance comes first, but for weights that nearly flatten an image."""

INDEPENDENT, COUPLED = "independent", "coupled"


def tv_denoise(
    noisy: Images,
    lam: MapsLike | Literal["sure"],
    tol: float | None = None,
    *,
    channels: Literal["independent", "coupled"] | None = None,
    bounds: Bounds | None = None,
    data_weight: float | Tensor | None = None,
    noise_std: float | Tensor | None = None,
    spacing: Spacing | None = None,
) -> Images:
    """Anisotropic total-variation denoising (isotropic for coupled channels), differentiable in image and maps.

    Gray images, and channels that are independent: anisotropic, exact,

        u* = argmin_u  1/2 ||u - noisy||^2 + sum_ij lam_v[i,j] |D_v u|[i,j] + lam_h[i,j] |D_h u|[i,j].

    Channels that are coupled (vectorial total variation): isotropic, one weight for all channels, by iteration,

        u* = argmin_u  1/2 ||u - noisy||^2 + sum_ij lam[i,j] sqrt(sum_c (D_v u_c)[i,j]^2 + (D_h u_c)[i,j]^2).

    Signals and volumes have one and three differences in place of two, each over the spacing along its axis. Subject to
    lower <= u <= upper at every pixel, where bounds are given, and with sum_i w_i/2 (u_i - noisy_i)^2 in place of the
    squares where `data_weight` gives w.

    Args:
        noisy: signals (batch, channels, length), images (batch, channels, height, width) or volumes (batch, channels,
            depth, height, width), floating point or complex, on any device; in any units, nominally in [0, 1].
        lam: weight >= 0 in the units of the image, larger = smoother. A number, or a tensor (array) of these shapes:

            - one element: every weight;
            - (height, width), or what the space is: all images, channels and directions share the map;
            - (batch, 1, height, width): one map per image, shared by channels and directions;
            - (batch, 2, height, width): one map per axis, in their order: channel 0 weighs the vertical differences,
              channel 1 the horizontal ones (of a volume 3: along depth, height and width);
            - (batch, channels, height, width): one map per channel, shared by all directions,

            where any size but the second may be 1 in the last three, and is then repeated. Or a list of one such weight
            per direction, in that order, or of a single one; a map in a list has one channel, or one for each of the
            image. The maps of as many independent channels as there are directions must be given so: alone they could
            mean directions. Coupled channels share a single map. Infinity forces neighbours to be equal. Other shapes
            are refused: (images, height, width) could mean directions.
            "sure" chooses one weight for every image (independent channel), the one with the least estimated error
            (`difftv.sure`): no clean image and nothing to tune, in the time of about six solves. Its gradient in the
            image is that for the weight found, held.
        tol: tolerance of the exact solver (default 1e-10): at the default and below, the answer is exact to rounding; a
            larger one stops an image early, at this relative duality gap. Of coupled channels (default 1e-8): change of
            the image over ten iterations (rms, over its range); at the default small images are right to about 1e-6.
            1e-5 takes a tenth of the time for an error of 1e-4.
        channels: needed where there are several. "independent": each is denoised by itself. "coupled": all together,
            which puts edges at the same place in every channel. The real and the imaginary part of a complex image are
            always coupled, so that a phase factor goes through; of several complex channels the argument says whether
            those are, too.
        bounds: (lower, upper) in the units of the image, such as (0, 1); None for a side that is open. The gradient is
            0 at pixels on a bound. Complex images have none.
        data_weight: w >= 0, smaller = smoother: 1 / (variance of the noise) of every pixel up to a factor that goes
            into lam, 0 = missing pixel (inpainting), whose value does not matter and may be NaN. In the shape of space,
            such as (height, width), or in as many dimensions as `noisy`, to which it broadcasts. It is solved by
            iteration then, with the `tol` of coupled channels, and differentiable in w as well.
        noise_std: standard deviation of the noise in the units of the image, for `lam="sure"`: a number, one per image
            (batch,), or what broadcasts to `noisy`; of complex images that of either part. None: white noise, estimated
            for every channel of images and volumes.
        spacing: distance of neighbours along every axis, > 0, first axis first (of a volume: depth, height, width), or
            one number; differences are divided by it. None: 1.

    Returns:
        The denoised images, in the shape, dtype and device of `noisy`; solved in float64 (coupled on a device without
        it: float32). The gradient of a complex image is torch's, dL/d(real part) + i dL/d(imaginary part).

    Raises:
        TypeError: `noisy` is not a tensor, `lam` neither number nor tensor nor a list of them.
        ValueError: a shape does not fit, `lam` is negative somewhere, a tensor holds NaN, there are several channels
            and `channels` is not given, lower >= upper, or a complex image is to be bounded.

    Warns:
        RuntimeWarning: coupled channels, or a solve with `data_weight`, did not reach the tolerance.

    Example:
        >>> import torch
        >>> noisy = torch.rand(1, 1, 8, 8)
        >>> lam = torch.full((1, 1, 8, 8), 0.1, requires_grad=True)
        >>> tv_denoise(noisy, lam).square().sum().backward()
        >>> lam.grad.shape
        torch.Size([1, 1, 8, 8])
        >>> tv_denoise(torch.rand(1, 3, 8, 8), 0.1, channels="coupled").shape
        torch.Size([1, 3, 8, 8])
        >>> tv_denoise(torch.rand(1, 1, 4, 8, 8), 0.1, spacing=(3.0, 1.0, 1.0)).shape
        torch.Size([1, 1, 4, 8, 8])
        >>> tv_denoise(torch.rand(1, 1, 8, 8, dtype=torch.complex64), 0.1).dtype
        torch.complex64
    """
    if not isinstance(noisy, Tensor):
        raise TypeError(
            f"noisy must be a torch.Tensor, got {type(noisy).__module__}.{type(noisy).__qualname__}. "
            "Convert an array with torch.from_numpy(array)[None, None]."
        )
    axes = noisy.ndim - 2
    if axes not in AXES or noisy.shape[1] == 0:
        raise ValueError(
            f"noisy must have shape {', '.join(layout(count) for count in (2, 1))} or {layout(3)}, "
            f"got {tuple(noisy.shape)}."
        )
    grid: dict[str, Any] = {"axes": axes, "spacing": checked_spacing(spacing, axes)}
    if channels not in (None, INDEPENDENT, COUPLED):
        raise ValueError(f'channels must be "independent", "coupled" or None, got {channels!r}.')
    num_channels = noisy.shape[1]
    if channels is None and num_channels > 1:
        raise ValueError(
            f"noisy has {num_channels} channels, "
            f"shape {tuple(noisy.shape)}: say whether they are denoised each by itself, "
            'channels="independent", or together, channels="coupled", which puts edges at the same place in all.'
        )
    if noisy.is_complex() and bounds is not None:
        raise ValueError(f"bounds are for real images, and noisy is {noisy.dtype}; got bounds={bounds!r}.")
    pixels = None if data_weight is None else _over_pixels(data_weight, noisy)
    std = std_per_pixel(noisy, noise_std, pixels) if is_sure("lam", lam, noise_std) else None
    lam = 1.0 if isinstance(lam, str) else lam  # the weight found takes its place
    if noisy.is_complex():
        return _complex(noisy, lam, tol, pixels, std, grid, separately=channels == INDEPENDENT)
    if channels == COUPLED:
        regularizer: Regularizer = IsotropicTV(channels=num_channels, bounds=bounds, **grid)
        return _solved(regularizer, noisy, full_map(lam, noisy, channels=(1,), per="image"), tol, pixels, std)
    maps = channel_maps(lam, noisy)
    one = noisy.reshape(-1, 1, *noisy.shape[2:])
    regularizer = AnisotropicTV(maps.shape[1], bounds=bounds, **grid)
    weights, std = (None if part is None else part.reshape(one.shape) for part in (pixels, std))
    return _solved(regularizer, one, maps, tol, weights, std).reshape(noisy.shape)


def _over_pixels(data_weight: float | Tensor, noisy: Tensor) -> Tensor:
    """The weight of every pixel, shaped like `noisy`."""
    found = torch.as_tensor(data_weight, device=noisy.device)
    if not found.is_floating_point():
        found = found.to(noisy.real.dtype)  # a mask of booleans or of 0 and 1
    if found.ndim in (0, noisy.ndim - 2, noisy.ndim):
        with contextlib.suppress(RuntimeError):
            return found.expand(noisy.shape)
    raise ValueError(
        f"data_weight must be ({', '.join(AXES[noisy.ndim - 2])}) or have {noisy.ndim} dimensions that broadcast to "
        f"the shape of noisy, {tuple(noisy.shape)}; got {tuple(found.shape)}."
    )


def _complex(
    noisy: Tensor,
    lam: MapsLike,
    tol: float | None,
    pixels: Tensor | None,
    std: Tensor | None,
    grid: dict[str, Any],
    *,
    separately: bool,
) -> Tensor:
    """Real and imaginary parts as channels: of every complex channel by itself, or of all of them."""
    parts = torch.view_as_real(noisy).movedim(-1, 2)  # (batch, channels, 2, *space)
    images = parts.flatten(0, 1) if separately else parts.flatten(1, 2)
    if separately:
        maps = channel_maps(lam, parts[:, :, 0], directions=1)
    else:
        maps = full_map(lam, images, channels=(1,), per="image")
    pixels, std = (
        None if part is None else part[:, :, None].expand(parts.shape).reshape(images.shape) for part in (pixels, std)
    )
    regularizer = IsotropicTV(channels=images.shape[1], **grid)
    denoised = _solved(regularizer, images, maps, tol, pixels, std).reshape(parts.shape)
    return torch.view_as_complex(denoised.movedim(2, -1).contiguous())


def _solved(
    regularizer: Regularizer,
    noisy: Image,
    maps: Tensor,
    tol: float | None,
    pixels: Tensor | None,
    std: Tensor | None,
) -> Image:
    """The minimiser for the maps; where `std` of the noise is given, for the weight with the least risk instead."""
    if std is not None:
        lam = choose_weight(noisy, regularizer, std, pixels).lam
        maps = constant_maps(regularizer, lam.to(dtype=maps.dtype), noisy)
    kind = solver_for(regularizer, DataTerm(noisy, weight=pixels))
    if issubclass(kind, Admm):
        return _iterated(regularizer, noisy, maps, tol, pixels)
    exact = kind(regularizer) if tol is None else kind(regularizer, tol=tol)  # type: ignore[call-arg]
    return exact(noisy, maps, pixels).denoised


def _iterated(regularizer: Regularizer, noisy: Image, maps: Tensor, tol: float | None, pixels: Tensor | None) -> Image:
    # MPS has no float64, and float32 resolves no smaller tolerance than this.
    single = noisy.device.type == "mps"
    least = positive("tol", COUPLED_TOL if tol is None else tol)
    solver = Admm(
        regularizer,
        tol=max(least, 1e-6) if single else least,
        max_iter=COUPLED_MAX_ITER,
        dtype=torch.float32 if single else torch.float64,
    )
    solution = solver(noisy, maps, pixels)
    if not bool(solution.converged.all()):
        warnings.warn(
            f"tv_denoise stopped after {int(solution.iterations.max())} iterations at a relative duality gap of "
            f"{float(solution.gap.max()):.1e}, above its tolerance of {solver.tol:g}. Take a larger tol.",
            RuntimeWarning,
            stacklevel=4,
        )
    return solution.denoised
