"""Differentiable total-variation denoising: a predicted regularization map in front of an exact convex solver.

    from difftv import AnisotropicTV, Cnn, Denoiser, TautString

    denoiser = Denoiser(Cnn(), TautString(AnisotropicTV()))
    solution = denoiser(noisy)          # solution.denoised, solution.lam, solution.gap, ...

Nothing here knows Hydra, and nothing, torch included, is imported before it is used.
"""

from typing import TYPE_CHECKING

from difftv.lazy import lazily

if TYPE_CHECKING:
    from difftv.denoiser import Denoiser
    from difftv.functional import tv_denoise
    from difftv.predictors import Cnn, Constant, DnCnn, Predictor, UNet
    from difftv.regularizers import AnisotropicTV, IsotropicTV, Regularizer
    from difftv.solvers import Clarabel, Ecos, Scs, Solution, Solver, TautString

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

__getattr__ = lazily(
    __name__,
    {
        "Denoiser": "denoiser",
        "tv_denoise": "functional",
        **dict.fromkeys(["Cnn", "Constant", "DnCnn", "Predictor", "UNet"], "predictors"),
        **dict.fromkeys(["AnisotropicTV", "IsotropicTV", "Regularizer"], "regularizers"),
        **dict.fromkeys(["Clarabel", "Ecos", "Scs", "Solution", "Solver", "TautString"], "solvers"),
    },
)
