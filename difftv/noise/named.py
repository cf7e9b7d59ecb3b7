"""Kinds of noise by their word on the command line."""

from collections.abc import Mapping

from difftv.noise.base import Noise
from difftv.noise.correlated import CorrelatedGaussian
from difftv.noise.gaussian import GaussianNoise
from difftv.noise.poisson_gaussian import Poisson, PoissonGaussian

BY_NAME: Mapping[str, type[Noise]] = {
    "gaussian": GaussianNoise,
    "poisson_gaussian": PoissonGaussian,
    "poisson": Poisson,
    "correlated": CorrelatedGaussian,
}
