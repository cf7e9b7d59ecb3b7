"""The exact solver for benchopt's benchmark_tv_2d: goes into its `solvers/`, or `benchopt run BENCHMARK -s FILE`."""

import numpy as np
import torch
from benchopt import BaseSolver
from benchopt.stopping_criterion import SufficientProgressCriterion

from difftv import AnisotropicTV, TautString


class Solver(BaseSolver):
    """Anisotropic total variation by accelerated alternating taut strings, components verified by flows."""

    name = "difftv-taut-string"
    requirements = ("pip::difftv",)
    # A point of the curve is a solve that may take so many sweeps; once the components are right it is exact.
    stopping_criterion = SufficientProgressCriterion(patience=3, strategy="iteration")

    def skip(self, A, reg, delta, data_fit, y, isotropy):
        if isotropy != "anisotropic":
            return True, "difftv-taut-string solves anisotropic total variation only"
        if data_fit != "lsq":
            return True, "difftv has the data term 1/2 |y - u|^2 only"
        probe = np.random.default_rng(0).standard_normal(y.shape)
        if not np.array_equal(A @ probe, probe):
            return True, "difftv denoises: A must be the identity"
        return False, None

    def set_objective(self, A, reg, delta, data_fit, y, isotropy):
        self.noisy = torch.from_numpy(np.ascontiguousarray(y, dtype=np.float64))[None, None]
        self.lam = torch.full_like(self.noisy, float(reg))

    def warm_up(self):
        self.run(2)  # compiles the kernels, once per machine

    def run(self, n_iter):
        self.denoised = self.noisy
        if n_iter > 0:
            with torch.no_grad():
                self.denoised = TautString(AnisotropicTV(), max_iter=n_iter)(self.noisy, self.lam).denoised

    def get_result(self):
        return {"u": self.denoised[0, 0].numpy()}
