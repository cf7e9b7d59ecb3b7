"""Differentiable total-variation denoising: a predicted regularization map in front of an exact convex solver.

    from difftv import AnisotropicTV, Cnn, Denoiser, Exact

    denoiser = Denoiser(Cnn(), Exact(AnisotropicTV()))
    solution = denoiser(noisy)          # solution.denoised, solution.lam, solution.gap, ...

Nothing here knows Hydra, and nothing, torch included, is imported before it is used: the names stand in `__init__.pyi`.
"""

import lazy_loader

from difftv._moved import install

install()

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
