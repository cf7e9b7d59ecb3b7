from .denoiser import Denoiser
from .functional import tv_denoise
from .predictors import Cnn, Constant, DnCnn, Predictor, UNet
from .regularizers import AnisotropicTV, IsotropicTV, Regularizer
from .solvers import Clarabel, Ecos, Scs, Solution, Solver, TautString

__all__ = [
    "AnisotropicTV",
    "Clarabel",
    "Cnn",
    "Constant",
    "Denoiser",
    "DnCnn",
    "Ecos",
    "IsotropicTV",
    "Predictor",
    "Regularizer",
    "Scs",
    "Solution",
    "Solver",
    "TautString",
    "UNet",
    "tv_denoise",
]
