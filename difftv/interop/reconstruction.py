"""`tv_reconstruct`: measurements and a forward operator in, an image out, arrays or tensors."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any, Literal, overload

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from difftv.arguments import boolean, positive, positive_int
from difftv.interop._arrays import as_array, refuse_masked
from difftv.interop.scikit_image import Array, ArraySolution, Image, Weight, regularizer_for, weights_for
from difftv.linear.forward import ForwardOperator, as_operator
from difftv.progress import watched
from difftv.regularizers import Regularizer
from difftv.regularizers.bounds import Bounds
from difftv.solvers.admm import Admm
from difftv.space import checked_axes

TOL = 1e-5
"""At which a photograph behind blur or tomography is right to about 1e-4 rms."""

MAX_ITER = 2000


@overload
def tv_reconstruct(
    y: Image,
    operator: Any,
    weight: Weight,
    *,
    regularizer: str | Regularizer = "isotropic",
    tol: float = TOL,
    max_iter: int = MAX_ITER,
    bounds: Bounds | None = None,
    data_weight: float | Array | None = None,
    axes: int = 2,
    progress: bool = False,
    return_solution: Literal[False] = False,
) -> Image: ...


@overload
def tv_reconstruct(
    y: Image,
    operator: Any,
    weight: Weight,
    *,
    regularizer: str | Regularizer = "isotropic",
    tol: float = TOL,
    max_iter: int = MAX_ITER,
    bounds: Bounds | None = None,
    data_weight: float | Array | None = None,
    axes: int = 2,
    progress: bool = False,
    return_solution: Literal[True],
) -> ArraySolution[Image]: ...


def tv_reconstruct(
    y: Image,
    operator: Any,
    weight: Weight,
    *,
    regularizer: str | Regularizer = "isotropic",
    tol: float = TOL,
    max_iter: int = MAX_ITER,
    bounds: Bounds | None = None,
    data_weight: float | Array | None = None,
    axes: int = 2,
    progress: bool = False,
    return_solution: bool = False,
) -> Image | ArraySolution[Image]:
    """Isotropic total-variation reconstruction (other norms by `regularizer`) of an image from its measurements.

        u* = argmin_u  1/2 ||W^(1/2) (A u - y)||^2 + weight * TV(u),   TV(u) = sum_ij |(D u)[i,j]|

    Larger `weight` = smoother. The squares have the factor 1/2 and are summed, not averaged.

    Args:
        y: measurements, an array or tensor, real or complex: of one image, shaped as `operator.apply` gives them but
            without the axis of the batch (an axis of one channel may be left out as well); or a batch, just as
            `operator.apply` gives it. Solved in float32 where y is float32 or complex64, else in float64.
        operator: A, one of `difftv.linear`, a pair of callables (apply, adjoint) of tensors with a batch, or an object
            of another library (`difftv.linear.as_operator`).
        weight: >= 0 and finite, in the units of (A* y): of the image times the square of the operator's scale. A
            number, an array that broadcasts to *space, or a list with one per map, as in `denoise_tv`; a batch shares
            it.
        regularizer: a name of `difftv.regularizers.BY_NAME`, or one constructed with other options; images with several
            channels (complex ones have two) are coupled.
        tol: change of the image over ten iterations (rms, over the range of the first look) at which it is done.
        max_iter: iterations at most.
        bounds: (lower, upper) of the image; None for a side that is open.
        data_weight: W >= 0, a number or an array that broadcasts to y: 1 / (variance of the noise) of every measurement
            up to a factor that goes into `weight`; 0 = missing, whose value may be NaN.
        axes: axes of space of the image, 1 to 3: a signal, an image, a volume.
        progress: whether a bar is drawn on standard error.
        return_solution: return an `ArraySolution` (image, largest duality gap, whether all converged) instead.

    Returns:
        The image, (*space), or (channels, *space) where it has several; of a batch (batch, channels, *space). Of a
        tensor a tensor on its device, without a gradient (`Admm` and `Reconstructor` have one).

    Warns:
        RuntimeWarning: the tolerance was not reached.

    Raises:
        TypeError: y is neither an array nor a tensor of numbers, or `operator` no linear operator.
        ValueError: a shape does not fit, y holds NaN or infinity, the operator and its adjoint do not fit, or what
            `denoise_tv` refuses.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from difftv.linear import Fourier
        >>> mask = torch.ones(8, 8)
        >>> mask[:, 3:5] = 0
        >>> y = mask.numpy() * np.fft.fft2(np.eye(8), norm="ortho")
        >>> tv_reconstruct(y, Fourier(mask), weight=0.01).shape
        (8, 8)
    """
    boolean("return_solution", return_solution)
    operator = as_operator(operator)
    data = _measurements(y)
    axes = checked_axes(axes)
    data, look, alone = _with_batch(data, operator, axes)
    over = _over_data(data_weight, data)
    if not bool(torch.isfinite(data if over is None else data[over > 0]).all()):
        raise ValueError("y holds NaN or infinity at measurements that count. Give these the data_weight 0.")
    channels = look.shape[1]
    planes = look[0].double().cpu().numpy()
    weight = [as_array("weight", w) for w in weight] if isinstance(weight, list | tuple) else as_array("weight", weight)
    kind = regularizer_for(regularizer, weight, channels, bounds, axes, (1.0,) * axes)
    maps = weights_for(weight, kind, planes[:1], None).to(look).expand(len(data), *[-1] * (1 + axes))
    solver = Admm(kind, tol=positive("tol", tol), max_iter=positive_int("max_iter", max_iter), dtype=look.dtype)
    with torch.no_grad(), _bar(boolean("progress", progress)):
        solution = solver(data, maps, over, operator=operator)
    image = solution.denoised[0, 0 if channels == 1 else slice(None)] if alone else solution.denoised
    result = ArraySolution(
        denoised=image if isinstance(y, Tensor) else image.cpu().numpy(),
        gap=float(solution.gap.max()),
        converged=bool(solution.converged.all()),
        iterations=int(solution.iterations.max()),
    )
    if not result.converged:
        warnings.warn(
            f"tv_reconstruct stopped after {result.iterations} iterations at a relative duality gap of "
            f"{result.gap:.1e}, above its tolerance of {tol:g}. Take a larger tol or max_iter.",
            RuntimeWarning,
            stacklevel=2,
        )
    return result if return_solution else result.denoised


def _measurements(y: object) -> Tensor:
    """y as a tensor in one of four precisions."""
    if isinstance(y, Tensor):
        if y.requires_grad:
            raise ValueError(
                "y requires a gradient, which tv_reconstruct does not compute. Take Admm(..)(y, maps, operator=A), or "
                "y.detach()."
            )
        found = y
    elif isinstance(y, np.ndarray):
        refuse_masked("y", y)
        if y.dtype.kind not in "fiubc":
            raise TypeError(f"y must hold numbers, got dtype {y.dtype}.")
        found = torch.from_numpy(np.ascontiguousarray(y))
    else:
        raise TypeError(
            f"y must be a NumPy array or a tensor, got {type(y).__module__}.{type(y).__qualname__}. Anything else goes "
            "through numpy.asarray."
        )
    if found.numel() == 0:
        raise ValueError(f"y must have at least one measurement, got shape {tuple(found.shape)}.")
    single = found.dtype in (torch.float32, torch.float16, torch.bfloat16, torch.complex64)
    if found.is_complex():
        return found.to(torch.complex64 if single else torch.complex128)
    return found.to(torch.float32 if single else torch.float64)


def _with_batch(data: Tensor, operator: ForwardOperator, axes: int) -> tuple[Tensor, Tensor, bool]:
    """The measurements as a batch, their A* y, and whether they came as those of one image without the batch."""
    wanted = None
    with torch.no_grad():
        for batch in (data[None], data[None, None], data):
            # What an operator raises for a shape of another kind is its own business.
            with contextlib.suppress(RuntimeError, ValueError, IndexError):
                look = operator.adjoint(torch.nan_to_num(batch))
                if look.ndim != 2 + axes or len(look) != len(batch) or look.is_complex():
                    continue
                wanted = tuple(operator.apply(look).shape)
                if wanted == tuple(batch.shape):
                    return batch, look, batch is not data
    raise ValueError(
        f"y of shape {tuple(data.shape)} does not fit the operator: y, or y[None] where it holds the measurements of "
        f"one image, must be what operator.apply gives for images (batch, channels, *space) with {axes} axes of space"
        f"{'' if wanted is None else f', e.g. of shape {wanted}'}."
    )


def _over_data(data_weight: float | Array | None, data: Tensor) -> Tensor | None:
    """The weight of every measurement, shaped like them."""
    if data_weight is None:
        return None
    found = torch.as_tensor(as_array("data_weight", data_weight)).to(data.real)
    # A batch, and an axis of one channel that was left out.
    if found.ndim not in (0, data.ndim, data.ndim - 1, data.ndim - 2):
        raise ValueError(f"data_weight must broadcast to the shape of y, {tuple(data.shape[1:])}; got {found.shape}.")
    try:
        return found.expand(data.shape)
    except RuntimeError:
        raise ValueError(
            f"data_weight must broadcast to the shape of y, {tuple(data.shape[1:])}; got {tuple(found.shape)}."
        ) from None


@contextlib.contextmanager
def _bar(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    with tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining}") as bar:

        def show(share: float) -> None:
            bar.update(round(100 * share) - bar.n)

        with watched(show):
            yield
        show(1.0)
