from .denoiser import Denoiser
from .functional import tv_denoise
from .interop.reconstruction import tv_reconstruct
from .interop.scikit_image import denoise_tv
from .models.pretrained import list_pretrained
from .network_denoiser import NetworkDenoiser
from .noise.estimate import estimate_sigma
from .noise.gaussian import GaussianNoise
from .noise.poisson_gaussian import PoissonGaussian
from .noise.signal_dependent import estimate_noise
from .predictors import Cnn, Constant, Dilated, DnCnn, Opponent, Predictor, SelfEnsemble, Slices, UNet
from .reconstructor import Reconstructor
from .regularizers import (
    TGV,
    TVTV2,
    AnisotropicTV,
    EightNeighbourTV,
    FilterBank,
    HuberTV,
    IsotropicTV,
    Regularizer,
    TVpwL,
)
from .solvers import Admm, Auto, Clarabel, Ecos, Exact, Scs, Solution, Solver, TautString

__all__ = [
    "TGV",
    "TVTV2",
    "Admm",
    "AnisotropicTV",
    "Auto",
    "Clarabel",
    "Cnn",
    "Constant",
    "Denoiser",
    "Dilated",
    "DnCnn",
    "Ecos",
    "EightNeighbourTV",
    "Exact",
    "FilterBank",
    "GaussianNoise",
    "HuberTV",
    "IsotropicTV",
    "NetworkDenoiser",
    "Opponent",
    "PoissonGaussian",
    "Predictor",
    "Reconstructor",
    "Regularizer",
    "Scs",
    "SelfEnsemble",
    "Slices",
    "Solution",
    "Solver",
    "TVpwL",
    "TautString",
    "UNet",
    "denoise_tv",
    "estimate_noise",
    "estimate_sigma",
    "list_pretrained",
    "tv_denoise",
    "tv_reconstruct",
]
