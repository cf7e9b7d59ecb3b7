"""The data term 1/2 ||u - y||^2, the only one there is, with what solvers and certificates ask of it."""

import torch

from difftv.types import Image, PerImage

_FLAT = 1e-6
"""Contrast that a constant image is taken to have, as far as the scale of its objective goes, in the solver's units."""


def value(u: Image, y: Image) -> PerImage:
    """1/2 ||u - y||^2."""
    return 0.5 * (u - y).square().sum(dim=(1, 2, 3))


def gap(u: Image, y: Image, q: Image) -> PerImage:
    """F(u) + F*(-q) + <q, u> >= 0 with F(u) = 1/2 ||u - y||^2: 0 when u = y - q, as q = K^T p asks for."""
    return 0.5 * (u - y + q).square().sum(dim=(1, 2, 3))


def scale(y: Image) -> PerImage:
    """The objective of the image of constant channels, an upper bound of the optimum that does not vanish with lam.

    Of a constant image it is 0; that of an image of contrast 1e-6 stands in for it.
    """
    contrast = y - y.mean(dim=(2, 3), keepdim=True)
    pixels = y.shape[1] * y.shape[2] * y.shape[3]
    energy = 0.5 * contrast.square().sum(dim=(1, 2, 3))
    return torch.where(energy > 0, energy, torch.full_like(energy, 0.5 * _FLAT**2 * pixels))


def cone_expression(u, y):
    """The same of CVXPY variables and parameters.

    It stays a sum of squares as it stands: dropping the constant ||y||^2 costs SCS a factor 50 in accuracy at equal
    eps.
    """
    import cvxpy as cp

    return 0.5 * cp.sum_squares(u - y)
