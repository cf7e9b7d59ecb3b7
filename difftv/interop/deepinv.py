"""A prior and denoisers for deepinv (`deepinv.optim.Prior`, `deepinv.models.Denoiser`), and its physics as operators.

deepinv's own `TVPrior` is isotropic with one number per image, stops after a number of iterations, and begins with the
state of the call before. These take maps and every regularizer, start afresh, and are differentiated at the minimiser
instead of through the iterations. Channels are treated each by itself, as deepinv's are.
"""

from typing import Any, final

import torch
from torch import Tensor, nn

from difftv.denoiser import Denoiser
from difftv.errors import MissingDependencyError
from difftv.extras import require
from difftv.linear.forward import ForwardOperator, as_operator
from difftv.maps import MapsLike, full_map, shared
from difftv.regularizers.base import Regularizer
from difftv.solvers.base import Solver
from difftv.types import Image, Map

require("deepinv", "deepinv", by="difftv.interop.deepinv")
try:
    from deepinv.models import Denoiser as DeepinvDenoiser
    from deepinv.optim import Prior as DeepinvPrior
    from deepinv.physics import LinearPhysics, StackedLinearPhysics
except (ImportError, RuntimeError) as error:  # as a rule a torchvision of another build than torch
    raise MissingDependencyError(f"deepinv is installed but cannot be imported: {error}") from error

_BITS = 255
"""deepinv measures noise in the units of the image, a predictor here in 8-bit units."""


@final
class RegularizerPrior(DeepinvPrior):  # type: ignore[misc]
    """The prior R(x; maps), for the algorithms that call `prox`: PGD, FISTA, HQS, DRS, ADMM.

        prox(x; gamma) = argmin_u  1/2 ||u - x||^2 + gamma R(u; maps)

    where gamma multiplies the weights (lam, lam1, lam2) and leaves free slopes (gam) as they are.

    Args:
        solver: solver of the minimisation, with its regularizer: `Admm(IsotropicTV())`, `Exact(AnisotropicTV())`.
            `Admm` in float32 is right to 1e-5; inside an algorithm that is run to the end take dtype=torch.float64.
        maps: the weights where the algorithm has no `g_param`. A number, (height, width), (batch, maps, height, width)
            with 1 for what is shared, or a list with one of these per map of the regularizer; one alone stands for all
            (`difftv.maps.shared`). An `nn.Parameter` is trained with the algorithm; a tensor moves with the module.

    Attributes:
        explicit_prior: whether R can be evaluated: not where it is itself a minimum over a field (`tgv`).
    """

    def __init__(self, solver: Solver, maps: MapsLike = 1.0) -> None:
        super().__init__()
        self.solver = solver
        self.explicit_prior = not solver.regularizer.auxiliary
        if isinstance(maps, Tensor) and not isinstance(maps, torch.nn.Parameter):
            self.register_buffer("maps", maps)
        else:
            self.maps = maps

    def fn(self, x: Tensor, maps: MapsLike | None = None, *args: Any, **kwargs: Any) -> Tensor:
        """R(x; maps) of every image, summed over its channels: (batch,).

        Raises:
            NotImplementedError: a regularizer whose value is a minimum of its own.
        """
        regularizer = self.solver.regularizer
        if regularizer.auxiliary:
            raise NotImplementedError(
                f"{regularizer.name} is a minimum over a field and cannot be evaluated at an image. Take an algorithm "
                "that only calls prox; with explicit_prior=False deepinv computes no cost."
            )
        images = _as_images(x, regularizer.channels)
        return regularizer.value(images, self._maps(maps, x)).reshape(x.shape[0], -1).sum(dim=1)

    def prox(
        self, x: Tensor, maps: MapsLike | None = None, *args: Any, gamma: float | Tensor = 1.0, **kwargs: Any
    ) -> Tensor:
        """argmin_u 1/2 ||u - x||^2 + gamma R(u; maps), differentiable in x, maps and gamma.

        Args:
            x: (batch, channels, height, width).
            maps: the algorithm's `g_param`; None: those of the constructor. deepinv takes a tensor for one value per
                iteration: a map goes in as a list of one, `g_param=[maps]`.
            gamma: >= 0, a number or one per image; the algorithms pass their lambda times their stepsize.

        Raises:
            ValueError: a shape does not fit, or a weight is negative (keep trained maps positive with softplus).
        """
        regularizer = self.solver.regularizer
        weights = _scaled(regularizer, self._maps(maps, x), _per_image(gamma, x, regularizer.channels))
        return self.solver(_as_images(x, regularizer.channels), weights).denoised.reshape(x.shape)

    def grad(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """There is none: total variation has a kink wherever two neighbours are equal.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            f"{self.solver.regularizer.name} is not differentiable. Take an algorithm that calls prior.prox (PGD, "
            "FISTA, HQS, DRS, ADMM), with g_first=False where it asks."
        )

    def _maps(self, maps: MapsLike | None, x: Tensor) -> Map:
        given = self.maps if maps is None else maps
        return _maps_of(self.solver.regularizer, given, x)


def operator(physics: LinearPhysics, *, pseudo_inverse: bool = False) -> ForwardOperator:
    """The A of a linear physics, for the solvers here: `Admm(IsotropicTV())(y, lam, operator=operator(physics))`.

    Complex images of its MRI are two channels, as here. Its noise and sensor models are left aside, and its scale is
    its own; `physics.compute_norm` gives the SQUARED norm of A. The data term there, `deepinv.optim.L2`, has the 1/2
    that it has here.

    Args:
        physics: the physics, with an adjoint; parameters that it holds are trained.
        pseudo_inverse: whether the first look, which a network is shown, is `physics.A_dagger(y)` (of `Tomography`,
            filtered back-projection) instead of the best multiple of A* y.

    Raises:
        TypeError: it is not linear, or stacks several, whose measurements are no tensor.
    """
    if not isinstance(physics, LinearPhysics) or isinstance(physics, StackedLinearPhysics):
        raise TypeError(
            f"physics must be a deepinv.physics.LinearPhysics with measurements in one tensor, got "
            f"{type(physics).__module__}.{type(physics).__qualname__}."
        )
    return as_operator(_WithPseudoInverse(physics) if pseudo_inverse else physics)


@final
class _WithPseudoInverse(nn.Module):
    """A physics with its pseudo-inverse under the name of a first look."""

    def __init__(self, physics: LinearPhysics) -> None:
        super().__init__()
        self.physics = physics

    def A(self, image: Image) -> Tensor:
        return self.physics.A(image)

    def A_adjoint(self, data: Tensor) -> Image:
        return self.physics.A_adjoint(data)

    def first_look(self, data: Tensor) -> Image:
        return self.physics.A_dagger(data)


@final
class RegularizerDenoiser(DeepinvDenoiser):  # type: ignore[misc]
    """argmin_u 1/2 ||u - x||^2 + sigma R(u; maps): `sigma` is the weight, as in deepinv's own `TVDenoiser`.

    Args:
        solver: solver of the minimisation, with its regularizer.
        maps: factors of sigma, as for `RegularizerPrior`.
    """

    def __init__(self, solver: Solver, maps: MapsLike = 1.0) -> None:
        super().__init__()
        self.prior = RegularizerPrior(solver, maps)

    def forward(self, x: Tensor, sigma: float | Tensor | None = None, **kwargs: Any) -> Tensor:
        """Denoise (batch, channels, height, width) with the weight sigma >= 0, a number or one per image.

        Raises:
            ValueError: sigma is None, deepinv's word for an unknown one.
        """
        if sigma is None:
            raise ValueError("sigma is the weight of the regularizer and must be given, got None.")
        return self.prior.prox(x, gamma=sigma)


@final
class LearnedDenoiser(DeepinvDenoiser):  # type: ignore[misc]
    """A trained model of this package, `Denoiser.load(run)`, as a deepinv denoiser.

    Args:
        denoiser: predictor and solver. Where the predictor has no noise level as an input, `sigma` changes nothing.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, x: Tensor, sigma: float | Tensor | None = None, **kwargs: Any) -> Tensor:
        """Denoise (batch, channels, height, width), every channel as a gray image unless the model couples them.

        Args:
            x: images nominally in [0, 1].
            sigma: standard deviation of the noise in the units of x, > 0, a number or one per image; None where the
                predictor has no noise level as an input.

        Raises:
            ValueError: sigma is None, and the predictor has the noise level as an input.
        """
        channels = self.denoiser.solver.regularizer.channels
        if sigma is None:
            return self.denoiser(_as_images(x, channels)).denoised.reshape(x.shape)
        if isinstance(sigma, Tensor) and sigma.numel() > 1:
            sigma = _repeated(sigma.flatten(), x, channels)
        level = _BITS * sigma
        if isinstance(level, Tensor) and level.numel() == 1:
            level = float(level)
        return self.denoiser.denoise(_as_images(x, channels), level).denoised.reshape(x.shape)


def _as_images(x: Tensor, coupled: int) -> Tensor:
    """The channels one after the other, (batch * channels, 1, height, width); as they are where they are coupled."""
    if x.ndim != 4:
        raise ValueError(f"x must have shape (batch, channels, height, width), got {tuple(x.shape)}.")
    if x.is_complex():
        raise ValueError("x is complex, which is not supported. Put real and imaginary part into two channels.")
    return x if coupled > 1 else x.reshape(-1, 1, *x.shape[2:])


def _maps_of(regularizer: Regularizer, maps: MapsLike, x: Tensor) -> Map:
    """The maps of every image that is solved, repeated for the channels that are images by themselves."""
    first = _as_images(x, regularizer.channels).reshape(x.shape)[:, :1]
    count = regularizer.num_maps
    full = shared(regularizer, full_map(maps, first, channels=(1, count) if count > 1 else (1,), per="name"))
    return full if regularizer.channels > 1 else full.repeat_interleave(x.shape[1], dim=0)


def _scaled(regularizer: Regularizer, maps: Map, gamma: Tensor) -> Map:
    """gamma times the channels that are weights, the others as they are."""
    weights = regularizer.weight_channels
    return torch.cat(
        [gamma * one if channel in weights else one for channel, one in enumerate(maps.split(1, dim=1))], dim=1
    )


def _per_image(gamma: float | Tensor, x: Tensor, coupled: int) -> Tensor:
    """gamma of every image that is solved, (batch, batch * channels or 1, 1, 1, 1)."""
    if not isinstance(gamma, Tensor):
        return torch.tensor(gamma, dtype=torch.float64 if x.device.type == "cpu" else x.dtype, device=x.device)
    if gamma.numel() == 1:
        return gamma.to(device=x.device).reshape(1, 1, 1, 1)
    return _repeated(gamma.to(device=x.device).flatten(), x, coupled).reshape(-1, 1, 1, 1)


def _repeated(values: Tensor, x: Tensor, coupled: int) -> Tensor:
    if len(values) != x.shape[0]:
        raise ValueError(f"one value per image is needed, {x.shape[0]} of them; got {len(values)}.")
    return values if coupled > 1 else values.repeat_interleave(x.shape[1])
