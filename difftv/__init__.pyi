from .denoiser import Denoiser
from .functional import tv_denoise
from .interop.scikit_image import denoise_tv
from .predictors import Cnn, Constant, Dilated, DnCnn, Predictor, UNet
from .regularizers import (
    TGV,
    TVTV2,
    AnisotropicTV,
    EightNeighbourTV,
    HuberTV,
    IsotropicTV,
    Regularizer,
    TVpwL,
)
from .solvers import Admm, Clarabel, Ecos, Scs, Solution, Solver, TautString

__all__ = [
    "TGV",
    "TVTV2",
    "Admm",
    "AnisotropicTV",
    "Clarabel",
    "Cnn",
    "Constant",
    "Denoiser",
    "Dilated",
    "DnCnn",
    "Ecos",
    "EightNeighbourTV",
    "HuberTV",
    "IsotropicTV",
    "Predictor",
    "Regularizer",
    "Scs",
    "Solution",
    "Solver",
    "TVpwL",
    "TautString",
    "UNet",
    "denoise_tv",
    "tv_denoise",
]
