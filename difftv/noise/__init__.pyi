from .base import Noise
from .estimate import NoiseEstimate, estimate_sigma, estimate_white
from .gaussian import GaussianNoise, add_noise, as_noise, noise_std, noise_std_per_image
from .level import SigmaRange, checked_sigma

__all__ = [
    "GaussianNoise",
    "Noise",
    "NoiseEstimate",
    "SigmaRange",
    "add_noise",
    "as_noise",
    "checked_sigma",
    "estimate_sigma",
    "estimate_white",
    "noise_std",
    "noise_std_per_image",
]
