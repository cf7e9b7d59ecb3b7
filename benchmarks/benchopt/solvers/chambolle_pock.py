"""The accelerated primal-dual method of Chambolle and Pock (2011, algorithm 2), for comparison."""

import numpy as np
from benchopt import BaseSolver
from benchopt.stopping_criterion import SufficientProgressCriterion


class Solver(BaseSolver):
    """u by the proximal step of the data term, p by projection; steps that change as the data term is strongly convex.

    tau sigma |D|^2 <= 1 with |D|^2 <= 8, gamma = 1.
    """

    name = "Chambolle-Pock"
    sampling_strategy = "callback"
    stopping_criterion = SufficientProgressCriterion(patience=6, strategy="callback")

    def skip(self, A, reg, delta, data_fit, y, isotropy):
        probe = np.random.default_rng(0).standard_normal(y.shape)
        if data_fit != "lsq" or not np.array_equal(A @ probe, probe):
            return True, "this file is for denoising with the squared data term"
        return False, None

    def set_objective(self, A, reg, delta, data_fit, y, isotropy):
        self.y, self.reg, self.isotropic = y, reg, isotropy == "isotropic"

    def run(self, callback):
        self.u = ahead = self.y
        down, right = np.zeros_like(self.y), np.zeros_like(self.y)
        tau = sigma = 8**-0.5
        while callback():
            down[:-1] += sigma * np.diff(ahead, axis=0)
            right[:, :-1] += sigma * np.diff(ahead, axis=1)
            self._project(down, right)
            divergence = np.diff(down, axis=0, prepend=0) + np.diff(right, axis=1, prepend=0)
            before, self.u = self.u, (self.u + tau * (divergence + self.y)) / (1 + tau)
            theta = (1 + 2 * tau) ** -0.5
            tau, sigma = theta * tau, sigma / theta
            ahead = self.u + theta * (self.u - before)

    def _project(self, down, right):
        if self.isotropic:
            factor = np.maximum(1, np.hypot(down, right) / self.reg)
            down /= factor
            right /= factor
        else:
            np.clip(down, -self.reg, self.reg, out=down)
            np.clip(right, -self.reg, self.reg, out=right)

    def get_result(self):
        return {"u": self.u}
