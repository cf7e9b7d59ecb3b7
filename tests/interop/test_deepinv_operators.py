"""The linear physics of deepinv as forward operators: the dot test, our own operators, and what is refused."""

import copy
import warnings
from collections.abc import Callable

import pytest
import torch

from difftv.errors import MissingDependencyError
from difftv.linear import Convolution, ForwardOperator, Fourier, Mask, dot_test, first_look

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what deepinv and its own dependencies warn of when they are imported
    try:
        from difftv.interop.deepinv import operator
    except MissingDependencyError as error:
        pytest.skip(str(error), allow_module_level=True)
    import deepinv as dinv

pytestmark = [
    pytest.mark.usefixtures("jaxtyping_off"),
    pytest.mark.filterwarnings("ignore:::deepinv"),
]

HEIGHT, WIDTH = 12, 10


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _mask() -> torch.Tensor:
    return (torch.rand(HEIGHT, WIDTH, generator=_generator()) < 0.6).double()


def _kernel() -> torch.Tensor:
    return torch.rand(3, 5, generator=_generator(), dtype=torch.float64)


def _coils() -> torch.Tensor:
    return torch.randn(1, 3, HEIGHT, WIDTH, generator=_generator(), dtype=torch.complex128)


PHYSICS: dict[str, tuple[Callable[[], object], int]] = {
    "inpainting": (lambda: dinv.physics.Inpainting((1, HEIGHT, WIDTH), mask=_mask()[None]), 1),
    "circular blur": (lambda: dinv.physics.Blur(filter=_kernel()[None, None], padding="circular"), 1),
    "valid blur": (lambda: dinv.physics.Blur(filter=_kernel()[None, None], padding="valid"), 1),
    "mri": (lambda: dinv.physics.MRI(mask=_mask(), img_size=(HEIGHT, WIDTH)), 2),
    "coils": (lambda: dinv.physics.MultiCoilMRI(mask=_mask(), coil_maps=_coils(), img_size=(HEIGHT, WIDTH)), 2),
    "downsampling": (lambda: dinv.physics.Downsampling(img_size=(1, HEIGHT, WIDTH), factor=2, filter=None), 1),
}


def made(name: str) -> ForwardOperator:
    physics = PHYSICS[name][0]()
    return operator(physics.to(torch.float64) if "mri" not in name and name != "coils" else physics)


def images(name: str, batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, PHYSICS[name][1], HEIGHT, WIDTH, generator=_generator(), dtype=torch.float64)


@pytest.mark.parametrize("name", PHYSICS)
def test_the_adjoint_fits_and_a_batch_is_a_loop(name: str) -> None:
    A, x = made(name), images(name)
    assert dot_test(A, tuple(x.shape)) < 1e-13
    y = A.apply(x)
    part = A.select(torch.tensor([1]), 2)
    torch.testing.assert_close(part.apply(x[1:]), y[1:])
    torch.testing.assert_close(part.adjoint(y[1:]), A.adjoint(y)[1:])
    assert first_look(A, y).shape == x.shape
    torch.testing.assert_close(copy.deepcopy(A).apply(x), y)


def test_the_same_measurements_as_our_own_operators() -> None:
    x = images("inpainting")
    torch.testing.assert_close(made("inpainting").apply(x), Mask(_mask()).apply(x))
    theirs, ours = made("valid blur").apply(x), Convolution(_kernel(), "valid").apply(x)
    # deepinv's blur is a convolution as well.
    torch.testing.assert_close(theirs, ours)
    z = images("mri")
    # deepinv has frequency 0 in the centre of the mask and of the measurements, and an image about its centre.
    shift = {"dim": (-2, -1)}
    found = Fourier(torch.fft.ifftshift(_mask(), **shift), channels=2).apply(torch.fft.ifftshift(z, **shift))
    found = torch.fft.fftshift(found, **shift)
    torch.testing.assert_close(made("mri").apply(z), torch.cat([found.real, found.imag], dim=1))


def test_the_pseudo_inverse_as_a_first_look() -> None:
    physics = PHYSICS["inpainting"][0]()
    y = physics.A(images("inpainting"))
    torch.testing.assert_close(first_look(operator(physics, pseudo_inverse=True), y), physics.A_dagger(y))


def test_what_is_not_linear_or_no_tensor_is_refused() -> None:
    with pytest.raises(TypeError, match=r"physics must be a deepinv\.physics\.LinearPhysics"):
        operator(dinv.physics.Haze())
    stacked = dinv.physics.StackedLinearPhysics([PHYSICS["inpainting"][0](), PHYSICS["valid blur"][0]()])
    with pytest.raises(TypeError, match="measurements in one tensor"):
        operator(stacked)
