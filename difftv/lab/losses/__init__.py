"""What training minimises: functions of (denoised, clean), or of noisy images alone (`WithoutClean`)."""

from difftv.lab.losses.base import NoisyImages, WithoutClean
from difftv.lab.losses.deepinv import Deepinv
from difftv.lab.losses.noise2noise import Noise2Noise
from difftv.lab.losses.recorrupted import Recorrupted
from difftv.lab.losses.sure import Sure
from difftv.lab.losses.with_clean import Mse, MseGradient, MseSsim, Psnr, PsnrGradient, minus_psnr

__all__ = [
    "Deepinv",
    "Mse",
    "MseGradient",
    "MseSsim",
    "Noise2Noise",
    "NoisyImages",
    "Psnr",
    "PsnrGradient",
    "Recorrupted",
    "Sure",
    "WithoutClean",
    "minus_psnr",
]
