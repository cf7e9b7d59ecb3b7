"""The batched solver for benchopt's benchmark_tv_2d: goes into its `solvers/`, or `benchopt run BENCHMARK -s FILE`."""

import numpy as np
import torch
from benchopt import BaseSolver
from benchopt.stopping_criterion import SufficientProgressCriterion

from difftv import Admm, AnisotropicTV, IsotropicTV

REGULARIZERS = {"anisotropic": AnisotropicTV, "isotropic": IsotropicTV}

ITERATIONS = 10
"""Per step of the curve. The first few are above the objective of the noisy image, and would look like no progress."""

NEVER_REACHED = 1e-14
"""Tolerance: the number of iterations decides."""


class Solver(BaseSolver):
    """Total variation by over-relaxed ADMM whose linear step is exact in a cosine basis, in float64."""

    name = "difftv-admm"
    requirements = ("pip::difftv",)
    stopping_criterion = SufficientProgressCriterion(patience=6, strategy="iteration")

    def skip(self, A, reg, delta, data_fit, y, isotropy):
        if isotropy not in REGULARIZERS:
            return True, f"difftv-admm solves {' and '.join(REGULARIZERS)} total variation"
        if data_fit != "lsq":
            return True, "difftv has the data term 1/2 |y - u|^2 only"
        probe = np.random.default_rng(0).standard_normal(y.shape)
        if not np.array_equal(A @ probe, probe):
            return True, "difftv denoises: A must be the identity"
        return False, None

    def set_objective(self, A, reg, delta, data_fit, y, isotropy):
        self.regularizer = REGULARIZERS[isotropy]()
        self.noisy = torch.from_numpy(np.ascontiguousarray(y, dtype=np.float64))[None, None]
        self.lam = torch.full_like(self.noisy, float(reg))

    def run(self, n_iter):
        self.denoised = self.noisy
        if n_iter > 0:
            solver = Admm(self.regularizer, tol=NEVER_REACHED, max_iter=ITERATIONS * n_iter, dtype=torch.float64)
            with torch.no_grad():
                self.denoised = solver(self.noisy, self.lam).denoised

    def get_result(self):
        return {"u": self.denoised[0, 0].numpy()}
