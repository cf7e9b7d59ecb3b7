from .anscombe import Anscombe
from .base import Noise, arguments_of, joined, of_image, weight_of
from .correlated import CorrelatedGaussian
from .defects import hot_pixels
from .estimate import NoiseEstimate, estimate_sigma, estimate_white
from .gaussian import GaussianNoise, add_noise, as_noise, noise_std, noise_std_per_image
from .level import SigmaRange, checked_sigma
from .poisson_gaussian import Poisson, PoissonGaussian, SignalDependent
from .range import NoiseRange, range_of
from .signal_dependent import NoiseFit, estimate_noise
from .white import WhiteNoiseImages, as_white

__all__ = [
    "Anscombe",
    "CorrelatedGaussian",
    "GaussianNoise",
    "Noise",
    "NoiseEstimate",
    "NoiseFit",
    "NoiseRange",
    "Poisson",
    "PoissonGaussian",
    "SigmaRange",
    "SignalDependent",
    "WhiteNoiseImages",
    "add_noise",
    "arguments_of",
    "as_noise",
    "as_white",
    "checked_sigma",
    "estimate_noise",
    "estimate_sigma",
    "estimate_white",
    "hot_pixels",
    "joined",
    "noise_std",
    "noise_std_per_image",
    "of_image",
    "range_of",
    "weight_of",
]
