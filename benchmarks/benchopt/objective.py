"""The problem of benchopt's benchmark_tv_2d with the same interface, so that one solver file runs in both."""

import numpy as np
from benchopt import BaseObjective


class Objective(BaseObjective):
    """f(y - A u) + reg * TV(u), f = 1/2 |.|^2 (`lsq`) or Huber's function (`huber`); differences as in difftv."""

    name = "TV2D"
    parameters = {  # noqa: RUF012
        "reg": [0.1],
        "delta": [0.9],
        "isotropy": ["anisotropic", "isotropic"],
        "data_fit": ["lsq"],
    }

    def set_data(self, A, y):
        self.A, self.y = A, y

    def get_objective(self):
        return {
            "A": self.A,
            "reg": self.reg,
            "delta": self.delta,
            "data_fit": self.data_fit,
            "y": self.y,
            "isotropy": self.isotropy,
        }

    def get_one_result(self):
        return {"u": np.zeros_like(self.y)}

    def evaluate_result(self, u):
        residual = np.abs(self.y - self.A @ u)
        quadratic = residual**2 / 2
        if self.data_fit == "huber":
            quadratic = np.where(residual < self.delta, quadratic, self.delta * (residual - self.delta / 2))
        down = np.pad(np.diff(u, axis=0), ((0, 1), (0, 0)))
        right = np.pad(np.diff(u, axis=1), ((0, 0), (0, 1)))
        lengths = np.hypot(down, right) if self.isotropy == "isotropic" else np.abs(down) + np.abs(right)
        return {"value": np.sum(quadratic) + self.reg * np.sum(lengths)}
