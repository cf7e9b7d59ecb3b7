"""`denoise_tv`: arrays (or tensors) in and out, with the interface of `skimage.restoration`."""

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, get_args, overload

import numpy as np
import torch
from torch import Tensor

from difftv.arguments import boolean, positive
from difftv.interop._arrays import as_array, as_float_image, check_finite, over_image, refuse_masked, spatial_first
from difftv.maps import shared
from difftv.problem.data_term import DataTerm
from difftv.regularizers import BY_NAME, Regularizer
from difftv.regularizers.bounds import Bounds, checked_bounds
from difftv.solvers.admm import Admm
from difftv.solvers.base import Solver
from difftv.solvers.registry import solver_for
from difftv.space import Spacing, checked_spacing
from difftv.sure import choose_weight, constant_maps, is_sure

Array = np.ndarray | Tensor
Image = TypeVar("Image", np.ndarray, Tensor)
Weight = float | Array | Sequence[float | Array]
Channels = Literal["independent", "coupled"]

TOL = 1e-8
"""Of `Admm`: small images agree with scikit-image's function to 1e-6 when that is run to the end."""

MAX_ITER = 20000
"""Of `Admm`: the tolerance comes first, but for weights that nearly flatten an image."""


@dataclass(frozen=True)
class ArraySolution(Generic[Image]):
    """A denoised image and how exact it is.

    Attributes:
        denoised: the image, shaped like the noisy one.
        gap: relative duality gap (`difftv.solvers.relative_gap`), the largest of independent channels.
        converged: whether every channel reached the tolerance.
        iterations: iterations of the channel that took most.
        weight: weight that was chosen (`weight="sure"`): one per channel, a single one of coupled channels; None where
            it was given.
        noise_std: standard deviation of the noise, given or estimated for that choice, in the units of the image.
    """

    denoised: Image
    gap: float
    converged: bool
    iterations: int
    weight: tuple[float, ...] | None = None
    noise_std: tuple[float, ...] | None = None


@overload
def denoise_tv(
    image: Image,
    weight: Weight | Literal["sure"] = 0.1,
    *,
    spacing: Spacing | float | None = None,
    regularizer: str | Regularizer = "isotropic",
    channel_axis: int | None = None,
    channels: Channels = "independent",
    tol: float = TOL,
    bounds: Bounds | None = None,
    data_weight: float | Array | None = None,
    noise_std: float | Array | None = None,
    return_solution: Literal[False] = False,
) -> Image: ...


@overload
def denoise_tv(
    image: Image,
    weight: Weight | Literal["sure"] = 0.1,
    *,
    spacing: Spacing | float | None = None,
    regularizer: str | Regularizer = "isotropic",
    channel_axis: int | None = None,
    channels: Channels = "independent",
    tol: float = TOL,
    bounds: Bounds | None = None,
    data_weight: float | Array | None = None,
    noise_std: float | Array | None = None,
    return_solution: Literal[True],
) -> ArraySolution[Image]: ...


def denoise_tv(
    image: Image,
    weight: Weight | Literal["sure"] = 0.1,
    *,
    spacing: Spacing | float | None = None,
    regularizer: str | Regularizer = "isotropic",
    channel_axis: int | None = None,
    channels: Channels = "independent",
    tol: float = TOL,
    bounds: Bounds | None = None,
    data_weight: float | Array | None = None,
    noise_std: float | Array | None = None,
    return_solution: bool = False,
) -> Image | ArraySolution[Image]:
    """Isotropic total-variation denoising (other norms by `regularizer`), solved to the end.

        u* = argmin_u  1/2 ||u - image||^2 + weight * TV(u),   TV(u) = sum_ij sqrt((D_v u)[i,j]^2 + (D_h u)[i,j]^2)

    Larger `weight` = smoother. The objective, the weight and the boundary are those of
    `skimage.restoration.denoise_tv_chambolle`, which by default stops long before the minimum; `weight` may be an
    array besides. (`denoise_tv_bregman` means by `weight` the factor of the other term: larger = less smooth.)

    Args:
        image: array or tensor of one to three axes of space (a signal, an image, a volume), and channels where
            `channel_axis` says: every other axis is one of space, as in scikit-image. float32 and float64 stay as
            they are, float16 becomes float32; integers are scaled to [0, 1] ([-1, 1] with a sign) and booleans become 0
            and 1, in float64, as `skimage.util.img_as_float` does.
        weight: >= 0 and finite, in the units of the image (of the scaled one, for integers). A number, or an array
            that broadcasts to the space, such as (height, width), or, with the axis of the channels, to the shape of
            the image; weight[i,j] belongs to the differences of pixel (i, j) to those below and to the right. A list or
            tuple holds one of these for every map of the regularizer, in the order of its `map_names` (for
            "anisotropic": vertical, horizontal). A single weight for a regularizer of several maps: each takes its
            ratio of it, as at the start of a training (`tgv`: lam1 = weight, lam2 = 2 weight; `tvpwl`: lam = weight,
            gam = 0.001).
            "sure" chooses one for every channel, that with the least estimated error (Stein's unbiased risk estimate,
            `difftv.sure`): no clean image and nothing to tune, in the time of about six solves.
        spacing: distance of neighbours along every axis of space, > 0, in their order, or one number for all; weight is
            in intensity times length then. None: 1. An array of three axes of which one has 3 or 4 entries is only
            taken for a volume where it is given, as it could be a colour image.
        regularizer: a name of `difftv.regularizers.BY_NAME` ("isotropic", "anisotropic", "huber", "tvpwl",
            "eight_neighbour", "tv_tv2", "tgv"), or one constructed with other options.
        channel_axis: where the channels are. None: there are none.
        channels: "independent": every channel is denoised by itself, as in scikit-image. "coupled": all together, under
            one weight, with their differences under one norm (vectorial total variation), which puts edges at the same
            place in all; for "isotropic", "huber", "tv_tv2" and "tgv".
        tol: tolerance of `isotropic`, `huber`, `tv_tv2` and `tgv`, which are solved iteratively in float64: change of
            the image over ten iterations (rms, over the range of the image), >= 1e-14. At the default, small images
            agree to 1e-6 with `denoise_tv_chambolle` run to the end. A photograph of 256x256 pixels (noise 0.1, weight
            0.1) then takes 2000 iterations; at 1e-5 it takes 90 and is right to 6e-5 rms, against 6e-3 of
            `denoise_tv_chambolle` as it comes. The other regularizers are exact to rounding whatever it is.
        bounds: (lower, upper) of the denoised image, such as (0, 1), in the units of the image (of the scaled one, for
            integers); None for a side that is open. `tvpwl` within bounds is solved iteratively, too.
        data_weight: w >= 0 of sum_i w_i/2 (u_i - image_i)^2, smaller = smoother: 1 / (variance of the noise) of every
            pixel, up to a factor that goes into `weight`; 0 = missing pixel, whose value does not matter and may be NaN
            (a mask of booleans will do: `numpy.isfinite(image)`). An array like `weight`. Every regularizer is then
            solved iteratively.
        noise_std: standard deviation of the noise for `weight="sure"`, in the units of the image (of the scaled one,
            for integers): a number or an array like `weight`. None: white noise, estimated for every channel.
        return_solution: return an `ArraySolution` (image, duality gap, whether it converged) instead of the image.

    Returns:
        The denoised image, a new array of the shape of `image`, in float32 or float64; of a tensor a tensor on its
        device, without a gradient (`tv_denoise` and the solvers have one).

    Warns:
        RuntimeWarning: the tolerance was not reached.

    Raises:
        TypeError: `image` is neither a NumPy array nor a tensor of numbers, or `weight` not made of numbers.
        ValueError: a shape does not fit, a value is NaN, infinite, masked or (of the weight) negative, the image is
            empty, complex or of more than three axes of space, integers of 32 bits or more that are none of full scale,
            lower >= upper, or an unknown name.

    Example:
        >>> import numpy as np
        >>> noisy = np.random.default_rng(0).random((16, 16))
        >>> bool(denoise_tv(noisy, weight=0.2).std() < noisy.std())
        True
    """
    boolean("return_solution", return_solution)
    positive("tol", tol)
    values = as_float_image(as_array("image", image))
    weight = (
        [as_array("weight", one) for one in weight] if isinstance(weight, list | tuple) else as_array("weight", weight)
    )
    planes, axis = spatial_first(values, channel_axis, spaced=spacing is not None)
    axes = planes.ndim - 1
    coupled = _coupled(channels, axis)
    options: dict[str, Any] = {"bounds": bounds, "axes": axes, "spacing": checked_spacing(spacing, axes)}
    kind = regularizer_for(regularizer, weight, len(planes) if coupled else 1, **options)
    sure = is_sure("weight", weight, noise_std)
    weights = weights_for(1.0 if isinstance(weight, str) else weight, kind, planes, axis)
    pixels = _pixels(as_array("data_weight", data_weight), planes, axis)
    check_finite(planes, None if pixels is None else pixels.numpy())
    noisy = torch.from_numpy(planes.astype(np.float64)).unsqueeze(0 if coupled else 1)
    pixels = None if pixels is None else pixels.reshape(noisy.shape)
    with torch.no_grad():
        found = (
            choose_weight(noisy, kind, _std(as_array("noise_std", noise_std), planes, axis, noisy), pixels)
            if sure
            else None
        )
        maps = _shared(weights) if coupled else weights
        solver = _solver(kind, tol, weighs=pixels is not None)
        solution = solver(noisy, maps if found is None else constant_maps(kind, found.lam, noisy), pixels)
    denoised = solution.denoised.reshape(planes.shape).numpy().astype(values.dtype)
    shaped = denoised[0] if axis is None else np.ascontiguousarray(np.moveaxis(denoised, 0, axis))
    result = ArraySolution(
        denoised=torch.from_numpy(shaped).to(device=image.device) if isinstance(image, Tensor) else shaped,
        gap=float(solution.gap.max()),
        converged=bool(solution.converged.all()),
        iterations=int(solution.iterations.max()),
        weight=None if found is None else tuple(found.lam.tolist()),
        noise_std=None if found is None else tuple(found.noise_std.tolist()),
    )
    if not result.converged:
        warnings.warn(
            f"denoise_tv stopped after {result.iterations} iterations at a relative duality gap of {result.gap:.1e}, "
            f"above its tolerance of {tol:g}. Take a larger tol.",
            RuntimeWarning,
            stacklevel=2,
        )
    return result if return_solution else result.denoised


def _coupled(channels: str, axis: int | None) -> bool:
    if channels not in get_args(Channels):
        raise ValueError(f'channels must be "independent" or "coupled", got {channels!r}.')
    if channels == "coupled" and axis is None:
        raise ValueError('channels="coupled" needs channel_axis, the axis of the channels.')
    return channels == "coupled"


def _shared(weights: torch.Tensor) -> torch.Tensor:
    """The one weight of coupled channels."""
    if not bool((weights == weights[:1]).all()):
        raise ValueError(
            'weight differs between the channels, but with channels="coupled" they share one. Take one over the space, '
            'or channels="independent".'
        )
    return weights[:1]


def regularizer_for(
    regularizer: str | Regularizer,
    weight: object,
    channels: int,
    bounds: Bounds | None,
    axes: int = 2,
    spacing: Spacing = (1.0, 1.0),
) -> Regularizer:
    """The regularizer that takes images of that many channels and axes."""
    given: dict[str, Any] = {"bounds": bounds, "axes": axes, "spacing": tuple(spacing)}
    if isinstance(regularizer, Regularizer):
        if regularizer.channels != channels:
            raise ValueError(
                f"{regularizer.name} was constructed with channels={regularizer.channels}, but is given images of "
                f'{channels}. channels="coupled" takes as many as the image has, channels="independent" one.'
            )
        for name, own in (
            ("bounds", given["bounds"] is None or checked_bounds("bounds", given["bounds"]) == regularizer.bounds),
            ("axes", given["axes"] == regularizer.axes),
            ("spacing", set(given["spacing"]) == {1.0} or given["spacing"] == regularizer.spacing),
        ):
            if not own:
                value = given[name] if name == "axes" else tuple(given[name])
                raise ValueError(
                    f"{name} of a regularizer that is given as an object are its own: {type(regularizer).__name__}("
                    f"{name}={value})."
                )
        return regularizer
    if not isinstance(regularizer, str) or regularizer not in BY_NAME:
        raise ValueError(
            f"regularizer must be one of {', '.join(BY_NAME)}, or an object of difftv.regularizers, "
            f"got {regularizer!r}."
        )
    kind: Callable[..., Regularizer] = BY_NAME[regularizer]
    options = inspect.signature(kind).parameters
    # One that has a choice of maps has maps of its own for every channel, and does not couple them.
    able = [
        name
        for name, other in BY_NAME.items()
        if "channels" in (found := inspect.signature(other).parameters) and "num_maps" not in found
    ]
    if channels > 1 and regularizer not in able:
        raise ValueError(
            f'{regularizer} does not couple channels. Take one of {", ".join(able)}, or channels="independent".'
        )
    if "axes" not in options:
        if given["axes"] != 2 or set(given["spacing"]) != {1.0}:
            able = [name for name, other in BY_NAME.items() if "axes" in inspect.signature(other).parameters]
            raise ValueError(
                f"{regularizer} takes images of two axes with a spacing of 1. Take one of {', '.join(able)}."
            )
        given = {"bounds": given["bounds"]}
    if channels > 1:
        return kind(channels=channels, **given)
    if isinstance(weight, list | tuple) and "num_maps" in options:
        return kind(num_maps=len(weight), **given)
    return kind(**given)


def weights_for(weight: Weight, regularizer: Regularizer, planes: np.ndarray, axis: int | None) -> torch.Tensor:
    """(channels, maps, *space)."""
    if not isinstance(weight, list | tuple):
        one = torch.from_numpy(over_image("weight", weight, planes, axis)[:, None].copy())
        return shared(regularizer, one)
    names = regularizer.map_names
    if len(weight) != len(names):
        raise ValueError(
            f"weight as a list holds one weight per map, {len(names)} for {regularizer.name} ({', '.join(names)}); "
            f"got {len(weight)}. A map itself goes in as an array."
        )
    maps = [
        over_image(f"weight[{index}] ({name})", one, planes, axis)
        for index, (name, one) in enumerate(zip(names, weight, strict=True))
    ]
    return torch.from_numpy(np.stack(maps, axis=1))


def _pixels(data_weight: float | np.ndarray | None, planes: np.ndarray, axis: int | None) -> torch.Tensor | None:
    """The weight of every pixel of every channel."""
    if data_weight is None:
        return None
    if isinstance(data_weight, np.ndarray) and data_weight.dtype.kind == "b":
        refuse_masked("data_weight", data_weight)
        data_weight = data_weight.astype(np.float64)
    full = over_image("data_weight", data_weight, planes, axis, direction="smaller = smoother")
    return torch.from_numpy(full.copy())


def _std(
    noise_std: float | np.ndarray | None, planes: np.ndarray, axis: int | None, noisy: torch.Tensor
) -> torch.Tensor | None:
    if noise_std is None:
        return None
    full = over_image("noise_std", noise_std, planes, axis, direction="of the noise")
    return torch.from_numpy(full.copy()).reshape(noisy.shape)


def _solver(regularizer: Regularizer, tol: float, *, weighs: bool) -> Solver:
    nothing = torch.zeros(0, 1, 1, 1)
    kind = solver_for(regularizer, DataTerm(nothing, weight=nothing if weighs else None))
    if kind is not Admm:
        return kind(regularizer)
    return Admm(regularizer, tol=tol, max_iter=MAX_ITER, dtype=torch.float64)
