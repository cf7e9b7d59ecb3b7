"""The contract of forward operators A, from images to measurements, and the objects of other libraries as such."""

import abc
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, nn

from difftv.types import Image, PerImage

_ROUNDING = 50.0
"""Factor of the machine precision within which both sides of the dot test agree; FFTs and sparse sums stay below 5."""


class ForwardOperator(nn.Module, abc.ABC):
    """A: images (batch, channels, height, width), real -> measurements (batch, ..), real or complex; linear.

    The adjoint is that of real images: <A x, r> = <x, A* r> with the real part of the inner product of measurements.
    An operator follows dtype and device of what it is given. Its parameters, if it has any, are trained through every
    solve; a buffer that differs from image to image is stated in `select`.
    """

    def apply(self, image: Image | Callable[..., Any]) -> Any:
        """A x."""
        if not isinstance(image, Tensor):
            # torch's Module.apply(function), which a module that holds this one calls.
            return super().apply(image)
        return self._apply_to(image)

    @abc.abstractmethod
    def _apply_to(self, image: Image) -> Tensor:
        """A x, for a tensor."""

    @abc.abstractmethod
    def adjoint(self, data: Tensor) -> Image:
        """A* r."""

    def forward(self, image: Image) -> Tensor:
        """A x."""
        return self.apply(image)

    def select(self, index: Tensor, batch: int) -> "ForwardOperator":
        """The operator for some images of a batch of that size; itself where all images share it."""
        return self

    def cosine_symbol(self, height: int, width: int) -> Tensor | None:
        """A* A at every frequency of the DCT-II, (height, width), float64; None where it is not diagonal."""
        return None

    complex_images = False
    """Whether the two channels of an image are its real and imaginary part, which share `fourier_symbol`."""

    def fourier_symbol(self, height: int, width: int, weight: Tensor | None = None) -> Tensor | None:
        """A* W A at every frequency of the DFT, (1 or batch, 1, height, width); None where it is not diagonal.

        Args:
            height, width: size of the images.
            weight: W, shaped like the measurements; None = 1.
        """
        return None


@final
class _Pair(ForwardOperator):
    """Two callables; `source` is registered where it is a module, so that its parameters are found."""

    def __init__(self, forward: Callable[[Tensor], Any], backward: Callable[[Tensor], Any], source: object) -> None:
        super().__init__()
        self._forward_of, self._adjoint_of = forward, backward
        if isinstance(source, nn.Module):
            self.source = source
        if callable(look := getattr(source, "first_look", None)):
            self.first_look = look

    def _apply_to(self, image: Image) -> Tensor:
        return _tensor(self._forward_of(image), "apply")

    def adjoint(self, data: Tensor) -> Image:
        return _tensor(self._adjoint_of(data), "adjoint")

    def select(self, index: Tensor, batch: int) -> ForwardOperator:
        # Nothing is known about what it holds for single images: it gets whole batches.
        return _PartOfBatch(self, index, batch)


@final
class _PartOfBatch(ForwardOperator):
    """An operator that is given whole batches, for some of their images: the others are 0."""

    def __init__(self, whole: _Pair, index: Tensor, batch: int) -> None:
        super().__init__()
        self.whole, self.index, self.batch = whole, index, batch

    def _apply_to(self, image: Image) -> Tensor:
        return self.whole.apply(self._embedded(image)).index_select(0, self.index)

    def adjoint(self, data: Tensor) -> Image:
        return self.whole.adjoint(self._embedded(data)).index_select(0, self.index)

    def select(self, index: Tensor, batch: int) -> ForwardOperator:
        return _PartOfBatch(self.whole, self.index.index_select(0, index), self.batch)

    def _embedded(self, part: Tensor) -> Tensor:
        return part.new_zeros(self.batch, *part.shape[1:]).index_copy(0, self.index, part)


def from_callables(apply: Callable[[Tensor], Any], adjoint: Callable[[Tensor], Any]) -> ForwardOperator:
    """A of two functions of tensors: images -> measurements, and its adjoint.

    Both may be differentiated by torch, where a gradient in the measurements or in what they hold is wanted. Copies
    share what the functions hold.
    """
    return _Pair(apply, adjoint, None)


def as_operator(given: Any) -> ForwardOperator:
    """The object as a forward operator.

    Taken are a `ForwardOperator`; objects with `A` and `A_adjoint` (deepinv); `apply` and `adjoint`; callables with
    `adjoint` (mrpro, of which tuples of one tensor are taken apart), `.H` (SigPy, SCICO) or `.T` (tomosipo); `op` and
    `adj_op` (MRI-NUFFT); and a pair of two callables.

    Raises:
        TypeError: another object.
    """
    if isinstance(given, ForwardOperator):
        return given
    if isinstance(given, tuple | list) and len(given) == 2 and all(callable(part) for part in given):
        return _Pair(given[0], given[1], None)
    for forward, backward in (("A", "A_adjoint"), ("op", "adj_op")):
        if callable(getattr(given, forward, None)) and callable(getattr(given, backward, None)):
            return _Pair(getattr(given, forward), getattr(given, backward), given)
    if callable(getattr(given, "adjoint", None)):
        if callable(getattr(given, "apply", None)) and not isinstance(given, nn.Module):
            return _Pair(given.apply, given.adjoint, given)
        if callable(given):
            return _Pair(given, given.adjoint, given)
    for transposed in ("H", "T"):
        if callable(given) and callable(getattr(given, transposed, None)):
            return _Pair(given, getattr(given, transposed), given)
    raise TypeError(
        f"operator must be linear with an adjoint, got {type(given).__module__}.{type(given).__qualname__}. Give "
        "difftv.linear.from_callables(apply, adjoint), one of the operators in difftv.linear, or an object with "
        "A and A_adjoint, apply and adjoint, op and adj_op, .H or .T."
    )


def dot_test(operator: ForwardOperator, image_shape: tuple[int, ...], *, like: Tensor | None = None) -> float:
    """The larger of two errors of the adjoint, |<A x, r> - <x, A* r>| / (||A x|| ||r||).

    x is random; r is random once, and A x once, which shows a wrong scale.

    Args:
        operator: A.
        image_shape: (batch, channels, height, width).
        like: tensor of which x has precision and device; None = float64 on the CPU.

    Raises:
        ValueError: the error is above the rounding of that precision, or A* r has not the shape of an image.
    """
    like = torch.zeros(0, dtype=torch.float64, device="cpu") if like is None else like
    x = _random(image_shape, 0, like)
    with torch.no_grad():
        measured = operator.apply(x)
        probe = _random(tuple(measured.shape), 1, like.new_zeros(0)).to(measured.dtype)
        if measured.is_complex():
            probe = torch.complex(probe.real, _random(tuple(measured.shape), 2, like).to(probe.real.dtype))
        worst = 0.0
        for r in (probe, measured):
            back = operator.adjoint(r)
            if tuple(back.shape) != tuple(image_shape) or back.is_complex():
                raise ValueError(
                    f"the adjoint of operator must give real images of shape {tuple(image_shape)}, it gives "
                    f"{tuple(back.shape)}, {back.dtype}. Complex images are two channels, real and imaginary part."
                )
            size = float(_inner(measured, measured).sum() * _inner(r, r).sum()) ** 0.5
            difference = float((_inner(measured, r).sum() - _inner(x, back).sum()).abs())
            # Not `max`, which loses a NaN.
            error = difference / size if size > 0 else difference
            worst = error if not error <= worst else worst
    allowed = _ROUNDING * torch.finfo(x.dtype).eps
    if not worst <= allowed:
        raise ValueError(
            f"operator and its adjoint do not fit: |<A x, r> - <x, A* r>| is {worst:.2e} of ||A x|| ||r||, and "
            f"rounding explains {allowed:.0e} in {str(x.dtype).removeprefix('torch.')}. Check the scale and the "
            "boundary of the adjoint; an approximate back-projection does not do."
        )
    return worst


def first_look(operator: ForwardOperator, data: Tensor) -> Image:
    """c A* y with the c >= 0 for which c A A* y is nearest to y, of every image: what a network is shown.

    Args:
        operator: A; where it has a `first_look(data)` of its own, such as a pseudo-inverse, that is taken.
        data: y.
    """
    own = getattr(operator, "first_look", None)
    if callable(own):
        return own(data)
    back = operator.adjoint(data)
    again = operator.apply(back)
    size = _inner(again, again)
    factor = _inner(again, data) / torch.where(size > 0, size, torch.ones_like(size))
    return factor.to(back.dtype).reshape(-1, *[1] * (back.ndim - 1)) * back


def mean_gram(operator: ForwardOperator, like: Image, weight: Tensor | None = None) -> PerImage:
    """trace(A* W A) over the number of pixels, of every image, estimated with one random sign per pixel."""
    signs = torch.sign(_random((1, *like.shape[1:]), 3, like)).expand(like.shape)
    measured = operator.apply(signs)
    weighted = measured if weight is None else weight * measured
    return (_inner(measured, weighted) / like[0].numel()).to(like.dtype)


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """Re <a, b> of every image, in float64 where there is float64."""
    precise = torch.float64 if a.device.type in ("cpu", "cuda") else torch.float32
    if a.is_complex():
        a, b = torch.view_as_real(a.resolve_conj()), torch.view_as_real(b.resolve_conj())
    return (a.to(precise) * b.to(precise)).flatten(1).sum(dim=1)


def _random(shape: tuple[int, ...], seed: int, like: Tensor) -> Tensor:
    generator = torch.Generator(device="cpu").manual_seed(seed)
    # The same for every image, so that a batch is a loop.
    one = torch.randn((1, *shape[1:]), generator=generator, device="cpu").expand(shape)
    return one.to(like.dtype).to(like.device)


def _tensor(found: Any, what: str) -> Tensor:
    if isinstance(found, tuple | list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, Tensor):
        raise TypeError(
            f"{what} of operator must give a tensor, got {type(found).__module__}.{type(found).__qualname__}."
        )
    return found
