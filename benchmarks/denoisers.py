"""Total variation denoising by several packages, called alike: what each minimises, and how its accuracy is set.

What each of them minimises was held against cone programs, and is kept by `tests/benchmarks/test_drop_in.py`:
`denoise_tv_chambolle` and deepinv's `TVDenoiser` the isotropic objective of `denoise_tv`, proxTV's `tv1_2d` the
anisotropic one, with its weight. Not so `denoise_tv_bregman`, with 1 / weight, TV(u) as below and f the noisy image:

    1/2 ||u - f||^2 + weight TV(u) + sum_left (u_i - f_(next to i))^2 + sum_top (u_i - f_(below i))^2

where differences at the right and at the lower border are taken to f at the same pixel. The anisotropic TV is that of
`denoise_tv` otherwise; in the isotropic one a difference of length x counts phi(x) instead of x, with
phi'(x) = (sqrt(x^2 + 4 c x) - x) / (2 c) and c = weight / 2, which is a smoothed length: 1 for x far above c only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.inputs import LAM
from benchmarks.peers import require_deepinv, require_prox_tv, require_scikit_image
from difftv.errors import MissingDependencyError
from difftv.interop.scikit_image import denoise_tv
from difftv.regularizers import IsotropicTV
from difftv.solvers.admm import Admm

Picture = NDArray[np.floating[Any]]
"""A noisy image, (height, width), or (height, width, channels) in colour."""

ISOTROPIC, ANISOTROPIC, COUPLED = "isotropic", "anisotropic", "isotropic, channels coupled"

REFERENCE_TOL = 3e-8
"""Of the isotropic minimisers: right to 2.4e-6 rms on 128x128 pixels of a photograph (against a tol of 1e-10)."""

TOLERANCES = tuple(digit * 10.0**-power for power in range(3, 8) for digit in (10, 5, 2))

_LEAST_SINGLE = 1e-6
"""The least tolerance that `Admm` takes in float32."""

PEERS: Mapping[str, Callable[[], None]] = {
    "scikit-image": require_scikit_image,
    "proxTV tv1_2d": require_prox_tv,
    "deepinv TVDenoiser": require_deepinv,
}
"""Who else takes part -> a check that raises a MissingDependencyError where it is not installed."""


@dataclass(frozen=True)
class Contestant:
    """A function and how its accuracy is set.

    Attributes:
        works_in: the precision of its iterations.
        solve: takes an image and `option`.
        option: argument of `solve`: `tol`, a number of iterations, or None where it is exact as it comes.
        levels: values of `option`, from loose to tight, where it is a tolerance; empty otherwise.
        own_objective: whether it minimises a function of its own.
    """

    name: str
    works_in: str
    solve: Callable[..., Picture]
    option: str | None
    levels: tuple[float, ...] = ()
    own_objective: bool = False

    def at(self, level: float | None, picture: Picture) -> Picture:
        with torch.no_grad():
            return self.solve(picture) if self.option is None else self.solve(picture, **{self.option: level})


def contestants(objective: str) -> list[Contestant]:
    """`denoise_tv`, and what is installed of the others with that objective, or nearly that one."""
    if objective == COUPLED:
        return [Contestant("denoise_tv", "float64", partial(_denoise_tv, channels="coupled"), "tol", TOLERANCES)]
    bregman = partial(split_bregman, isotropic=objective == ISOTROPIC)
    theirs = [Contestant("denoise_tv_bregman", "float32", bregman, "max_num_iter", own_objective=True)]
    if objective == ANISOTROPIC:
        ours = [Contestant("denoise_tv", "float64", partial(_denoise_tv, regularizer="anisotropic"), None)]
        others = {
            require_scikit_image: theirs,
            require_prox_tv: [Contestant("proxTV tv1_2d", "float64", _prox_tv, "max_iters")],
        }
    else:
        ours = [
            Contestant("denoise_tv", "float64", _denoise_tv, "tol", TOLERANCES),
            Contestant("admm", "float32", _admm, "tol", tuple(tol for tol in TOLERANCES if tol >= _LEAST_SINGLE)),
        ]
        others = {
            require_scikit_image: [Contestant("denoise_tv_chambolle", "float32", _chambolle, "max_num_iter"), *theirs],
            require_deepinv: [Contestant("deepinv TVDenoiser", "float32", _deepinv, "n_it_max")],
        }
    return [*ours, *_installed(others)]


def minimiser(picture: Picture, objective: str) -> Picture:
    """Of an objective of `denoise_tv`, in float64: isotropic to `REFERENCE_TOL`, anisotropic to rounding."""
    (ours, *_) = contestants(objective)
    return ours.at(REFERENCE_TOL, picture.astype(np.float64))


def _installed(others: Mapping[Callable[[], None], list[Contestant]]) -> list[Contestant]:
    found: list[Contestant] = []
    for check, theirs in others.items():
        try:
            check()
        except MissingDependencyError:  # named in a note of the part
            continue
        found += theirs
    return found


def _axis(picture: Picture) -> int | None:
    return None if picture.ndim == 2 else -1


def _denoise_tv(picture: Picture, **options: Any) -> Picture:
    return denoise_tv(picture, LAM, channel_axis=_axis(picture), **options)


def _admm(picture: Picture, tol: float) -> Picture:
    planes = torch.from_numpy(_planes(picture))[:, None]
    return _picture(Admm(IsotropicTV(), tol=tol)(planes, torch.full_like(planes, LAM)).denoised[:, 0], picture)


def _chambolle(picture: Picture, max_num_iter: int) -> Picture:
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(picture, LAM, eps=0.0, max_num_iter=max_num_iter, channel_axis=_axis(picture))


def split_bregman(picture: Picture, max_num_iter: int, *, isotropic: bool = True) -> Picture:
    """scikit-image's split Bregman, whose weight is one over that of the others, whatever its documentation says."""
    from skimage.restoration import denoise_tv_bregman

    return denoise_tv_bregman(
        picture, 1 / LAM, max_num_iter=max_num_iter, eps=0.0, isotropic=isotropic, channel_axis=_axis(picture)
    )


def _deepinv(picture: Picture, n_it_max: int) -> Picture:
    from deepinv.models import TVDenoiser

    # A new one each time: it would begin with the state of the call before. crit=0: it never stops early.
    found = TVDenoiser(n_it_max=n_it_max, crit=0.0)(torch.from_numpy(_planes(picture))[None], LAM)
    return _picture(found[0], picture)


def _prox_tv(picture: Picture, max_iters: int) -> Picture:
    import prox_tv

    solve = partial(prox_tv.tv1_2d, w=LAM, max_iters=max_iters, n_threads=torch.get_num_threads())
    return solve(picture) if picture.ndim == 2 else np.stack([solve(plane) for plane in _planes(picture)], axis=-1)


def _planes(picture: Picture) -> Picture:
    """(channels, height, width), contiguous."""
    return np.ascontiguousarray(np.moveaxis(np.atleast_3d(picture), -1, 0))


def _picture(planes: torch.Tensor, like: Picture) -> Picture:
    return np.moveaxis(planes.numpy(), 0, -1).reshape(like.shape)
