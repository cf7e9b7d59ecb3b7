"""Numbers of NumPy are numbers wherever Python's are."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

import difftv
from difftv import arguments
from difftv.noise import GaussianNoise, SigmaRange

NOISY = torch.rand(1, 1, 6, 5, generator=torch.Generator().manual_seed(0))

CALLS: dict[str, Callable[[type, type], object]] = {
    "bounds": lambda real, _: difftv.AnisotropicTV(bounds=(real(0), real(1))).bounds,
    "bounds of denoise_tv": lambda real, _: difftv.denoise_tv(NOISY[0, 0].numpy(), 0.1, bounds=(real(0), real(1))),
    "delta": lambda real, _: difftv.HuberTV(delta=real(0.5)).delta,
    "delta of tgv": lambda real, _: difftv.TGV(delta=(real(0.5), real(0.25))).delta,
    "num_maps": lambda _, whole: difftv.AnisotropicTV(num_maps=whole(2)).num_maps,
    "channels": lambda _, whole: difftv.IsotropicTV(channels=whole(3)).channels,
    "tol": lambda real, _: difftv.Admm(difftv.IsotropicTV(), tol=real(2**-14)).tol,
    "max_iter": lambda _, whole: difftv.Admm(difftv.IsotropicTV(), max_iter=whole(100)).max_iter,
    "initial_lam": lambda real, _: difftv.Constant(initial_lam=real(0.5)).initial_lam,
    "initial_lam of two maps": lambda real, _: difftv.Constant(2, initial_lam=real(0.5))(NOISY).detach(),
    "lam": lambda real, _: difftv.tv_denoise(NOISY, real(0.125)).numpy(),
    "weight": lambda real, _: difftv.denoise_tv(NOISY[0, 0].numpy(), real(0.125)),
    "channel_axis": lambda _, whole: difftv.denoise_tv(NOISY[0].numpy(), 0.1, channel_axis=whole(0)),
    "sigma": lambda real, _: GaussianNoise(real(25)).sigma,
    "range of sigma": lambda real, whole: SigmaRange.of([real(5), whole(55)]).pair,
    "sigma of a predictor": lambda real, _: difftv.Constant(sigma_input=True)(NOISY, real(25)).detach().numpy(),
    "seed": lambda _, whole: arguments.random_seed("seed", whole(3)),
    "count": lambda _, whole: arguments.count("count", whole(0)),
}


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize("name", CALLS)
def test_a_number_of_numpy_is_that_of_python(name: str) -> None:
    expected = CALLS[name](float, int)
    for real in (np.float32, np.float64, np.float16):
        for whole in (np.int64, np.uint8):
            np.testing.assert_array_equal(CALLS[name](real, whole), expected)


@pytest.mark.parametrize("value", [True, np.True_, "1", None, 1j, np.complex64(1)])
@pytest.mark.usefixtures("jaxtyping_off")
def test_what_is_no_number_is_none(value: object) -> None:
    assert not arguments.is_number(value)
    assert not arguments.is_integer(value)
    with pytest.raises(ValueError, match="must be a positive finite number"):
        arguments.positive("tol", value)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must hold finite numbers"):
        difftv.AnisotropicTV(bounds=(value, 1) if value is not None else ("0", 1))  # type: ignore[arg-type]
