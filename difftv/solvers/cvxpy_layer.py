"""The cone program through `cvxpylayers.torch.CvxpyLayer`; SCS, ECOS and Clarabel are its backends.

    minimize  1/2 sum_squares(U - Y) + R_LAM(U)        parameters Y, LAM

Differentiation is implicit, on the homogeneous self-dual embedding of the cone program (Agrawal et al. 2019,
"Differentiable convex optimization layers"): as accurate as the forward solve and its LSQR. On most images that is 1e-4
relative in d/dlam; where two components are nearly merged it is a few percent, even through ECOS and Clarabel.
"""

import abc
from collections import OrderedDict
from typing import Any, ClassVar, final

import numpy as np
import torch

from difftv.errors import ProblemTooLargeError
from difftv.extras import require
from difftv.memory import available_memory
from difftv.regularizers.base import Regularizer
from difftv.solvers.base import RawSolution, Solver, relative_gap
from difftv.types import Image, Map

LAYERS_KEPT = 4
"""Compiled cone programs kept at a time, one per image size."""

BYTES_PER_TENSOR_ENTRY = 16
"""Peak memory of the compilation over its (entries + 1) * (parameters + 1): see `build_bytes`."""


class ConeSolver(Solver, abc.ABC):
    """A solver of cone programs behind `CvxpyLayer`. A subclass names the backend and its options.

    Compiling the program for an image size takes seconds and memory that grows with pixels^2, so it is done once per
    size, on first use. The compiled layer stays outside module registration: its float64 sparse buffers would enter
    `state_dict`, break `deepcopy` and `pickle`, and could not move to MPS.
    """

    solve_method: ClassVar[str]
    package: ClassVar[str]
    extra: ClassVar[str] = "cone"

    def __init__(self, regularizer: Regularizer) -> None:
        super().__init__(regularizer)
        modules = ("cvxpy", "cvxpylayers", "diffcp", "threadpoolctl", self.package)
        require(self.extra, *modules, by=f"The solver {type(self).__name__}")
        self._layers: OrderedDict[tuple[int, int], Any] = OrderedDict()

    @abc.abstractmethod
    def backend_options(self) -> dict[str, float]:
        """The options that the backend itself understands."""

    @final
    def solve(self, y: Image, lam: Map) -> RawSolution:
        if bool(lam.isinf().any()):
            raise ValueError("lam is infinite somewhere, which a cone program cannot take. Use a large finite value.")
        height, width = y.shape[-2:]
        if y.shape[0] == 0 or (height == 1 and width == 1):
            return _unregularised(y)
        from difftv.solvers.diffcp_interface import SolveReport

        report = SolveReport()
        u, *multipliers = self._layer(height, width)(
            y[:, 0],
            *lam.unbind(1),
            solver_args={
                "backend": {"solve_method": self.solve_method, **self.backend_options()},
                # torch's own setting is the one knob for "how many cores may this process use".
                "threads": torch.get_num_threads(),
                "report": report,
            },
        )
        u = u[:, None]
        with torch.no_grad():
            p = torch.from_numpy(
                np.stack(
                    [
                        self.regularizer.dual_from_cone(values, (height, width))
                        for values in zip(*(part.detach().numpy() for part in multipliers), strict=True)
                    ]
                )
            )
            gap = relative_gap(self.regularizer, u, p, y, lam)
        return RawSolution(u, gap, torch.tensor(report.iterations), torch.tensor(report.converged))

    @final
    def check_size(self, height: int, width: int) -> None:
        needed, limit = build_bytes(self.regularizer, height, width), available_memory()
        if needed > limit:
            side = int(np.sqrt(height * width) * (limit / needed) ** 0.25)
            raise ProblemTooLargeError(
                f"The cone program of a {height}x{width} image needs about {needed / 2**30:.1f} GiB to compile, and "
                f"{limit / 2**30:.1f} GiB are free. Use patches of at most {side}x{side}, or solver=taut_string, which "
                "takes images of any size (regularizer=anisotropic)."
            )

    def _layer(self, height: int, width: int) -> Any:
        key = (height, width)
        if key not in self._layers:
            self.check_size(height, width)
            self._layers[key] = _compile(self.regularizer, height, width)
            while len(self._layers) > LAYERS_KEPT:
                self._layers.popitem(last=False)
        return self._layers[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_layers": OrderedDict()}


def problem(regularizer: Regularizer, height: int, width: int):
    """The parametrised CVXPY problem: (problem, parameters, variables), multipliers after the image among the last."""
    import cvxpy as cp

    u = cp.Variable((height, width))
    y = cp.Parameter((height, width))
    lam = [cp.Parameter((height, width), nonneg=True) for _ in range(regularizer.num_maps)]
    form = regularizer.cone_form(u, lam)
    # sum_squares(U - Y) as it stands: dropping the constant ||Y||^2 costs SCS a factor 50 in accuracy at equal eps.
    objective = cp.Minimize(0.5 * cp.sum_squares(u - y) + form.expression)
    return cp.Problem(objective, form.constraints), [y, *lam], [u, *form.dual_variables]


def build_bytes(regularizer: Regularizer, height: int, width: int) -> int:
    """Estimated peak memory of compiling the cone program, in bytes.

    The quadratic term becomes one second-order cone, and cvxpy's reshuffling of the cones makes a sparse matrix with a
    column for every pair of a row and a parameter. Within a factor 1.2 of what was measured from 16x16 to 64x64 for
    each regularizer (experiments/benchmark.py --only build).
    """
    pixels = height * width
    return BYTES_PER_TENSOR_ENTRY * (regularizer.cone_entries * pixels + 1) * ((1 + regularizer.num_maps) * pixels + 1)


def _compile(regularizer: Regularizer, height: int, width: int):
    from cvxpylayers.torch import CvxpyLayer

    from difftv.solvers.diffcp_interface import DiffcpInterface

    program, parameters, variables = problem(regularizer, height, width)
    return CvxpyLayer(program, parameters=parameters, variables=variables, solver=DiffcpInterface())


def _unregularised(y: Image) -> RawSolution:
    batch = y.shape[0]
    return RawSolution(
        y.clone(),
        torch.zeros(batch, dtype=y.dtype),
        torch.zeros(batch, dtype=torch.int64),
        torch.ones(batch, dtype=torch.bool),
    )
