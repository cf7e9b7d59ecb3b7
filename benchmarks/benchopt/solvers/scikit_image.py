"""scikit-image's `denoise_tv_chambolle`, for comparison, with its own criterion switched off."""

import numpy as np
from benchopt import BaseSolver
from benchopt.stopping_criterion import SufficientProgressCriterion
from skimage.restoration import denoise_tv_chambolle

ITERATIONS = 10
"""Per step of the curve."""


class Solver(BaseSolver):
    """Chambolle's dual projection (2004), isotropic."""

    name = "scikit-image"
    stopping_criterion = SufficientProgressCriterion(patience=6, strategy="iteration")

    def skip(self, A, reg, delta, data_fit, y, isotropy):
        if isotropy != "isotropic":
            return True, "denoise_tv_chambolle is isotropic"
        probe = np.random.default_rng(0).standard_normal(y.shape)
        if data_fit != "lsq" or not np.array_equal(A @ probe, probe):
            return True, "denoise_tv_chambolle denoises, with the squared data term"
        return False, None

    def set_objective(self, A, reg, delta, data_fit, y, isotropy):
        self.y, self.reg = y, reg

    def run(self, n_iter):
        self.u = self.y
        if n_iter > 0:
            self.u = denoise_tv_chambolle(self.y, self.reg, eps=0, max_num_iter=ITERATIONS * n_iter)

    def get_result(self):
        return {"u": self.u}
