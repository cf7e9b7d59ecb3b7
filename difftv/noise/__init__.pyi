from .anscombe import Anscombe
from .base import Noise
from .defects import hot_pixels
from .estimate import NoiseEstimate, estimate_sigma, estimate_white
from .gaussian import GaussianNoise, add_noise, as_noise, noise_std, noise_std_per_image
from .level import SigmaRange, checked_sigma
from .poisson_gaussian import PoissonGaussian
from .signal_dependent import NoiseFit, estimate_noise

__all__ = [
    "Anscombe",
    "GaussianNoise",
    "Noise",
    "NoiseEstimate",
    "NoiseFit",
    "PoissonGaussian",
    "SigmaRange",
    "add_noise",
    "as_noise",
    "checked_sigma",
    "estimate_noise",
    "estimate_sigma",
    "estimate_white",
    "hot_pixels",
    "noise_std",
    "noise_std_per_image",
]
