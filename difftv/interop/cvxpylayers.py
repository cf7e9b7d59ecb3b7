"""The exact solver behind an ordinary `CvxpyLayer`: `CvxpyLayer(problem, parameters, variables, solver=ExactTV())`.

    minimize  1/2 sum_squares(u - y) + sum_e lam_e |u_i - u_j|,    parameters y and lam

A problem that `_cvxpy_problem.py` does not recognise is refused. The answer is that of `Exact`, exact, with its
closed-form gradient in y and lam.

cvxpylayers 1.2 asks CVXPY for the canonical matrices in the constructor of the layer, whatever the interface; a
parametric interface (`SolverInterface.from_parametric_functions`) is only spared their evaluation, and takes no
batches. Building them takes memory proportional to pixels^2. None is built here: asked whether it can solve the
problem, `_Canonical` puts a program of its own into the problem's cache of compiled programs. Its canonical form is the
vector of the parameters itself (q = that vector, no constraints), so that cvxpylayers stacks and batches the
parameters, and takes dL/dq back to them.

Measured once, peak over what the process held before, one lam of the size of u: a layer for 64x64 is constructed in
0.03 s and 8 MiB (default path: 4.2 s, 1529 MiB), for 512x512 in 1.5 s and 79 MiB.
"""

from dataclasses import dataclass
from typing import Any, final

import scipy.sparse as sp
import torch
from torch import Tensor

from difftv.extras import require
from difftv.regularizers.anisotropic import AnisotropicTV
from difftv.solvers.exact.solver import Exact

require("cone", "cvxpy", "cvxpylayers", by="difftv.interop.cvxpylayers")

import cvxpy as cp  # noqa: E402
from cvxpy.reductions.solvers.conic_solvers.conic_solver import ConicSolver  # noqa: E402
from cvxpylayers.interfaces.base import SolverInterface  # noqa: E402

from difftv.interop._cvxpy_problem import TVProblem, recognise  # noqa: E402


@final
class ExactTV(SolverInterface):
    """Anisotropic total-variation denoising in a `CvxpyLayer`, solved by `Exact`.

    Takes batches, parameters with and without a batch dimension, and several parameters for the weights. Every weight
    of a difference is an entry of a parameter declared nonneg, and must be >= 0 when the layer is called.

    Args:
        tol: tolerance of `Exact`: exact to rounding at the default.

    Raises:
        ValueError: when the layer is constructed, of another problem; when it is called, of a negative weight.

    Example:
        >>> import cvxpy as cp, torch
        >>> from cvxpylayers.torch import CvxpyLayer
        >>> u, y, lam = cp.Variable((8, 8)), cp.Parameter((8, 8)), cp.Parameter(nonneg=True)
        >>> tv = cp.norm1(cp.diff(u, axis=0)) + cp.norm1(cp.diff(u, axis=1))
        >>> problem = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(u - y) + lam * tv))
        >>> layer = CvxpyLayer(problem, parameters=[y, lam], variables=[u], solver=ExactTV())
        >>> (denoised,) = layer(torch.rand(5, 8, 8), torch.tensor(0.1))
        >>> denoised.shape
        torch.Size([5, 8, 8])
    """

    def __init__(self, tol: float = 1e-10) -> None:
        self._solver = Exact(AnisotropicTV(num_maps=2), tol=tol)
        self._canonical = _Canonical()

    @property
    def canon_solver_name(self) -> Any:
        """The solver that compiles the problem; CVXPY takes an object where cvxpylayers hands on a name."""
        return self._canonical

    def solve_torch_batch(
        self, P: Tensor | None, q: Tensor, A: Tensor, dims: Any, solver_args: dict, needs_grad: bool
    ) -> tuple[Tensor, Tensor, Any]:
        if solver_args:
            raise ValueError(f"ExactTV has no options per call, got solver_args {sorted(solver_args)}.")
        values = q.detach().requires_grad_(needs_grad)
        with torch.set_grad_enabled(needs_grad):
            u = self._denoise(values, dims)
        return u.detach(), u.new_zeros(len(u), 0), (u, values) if needs_grad else None

    def derivative_torch_batch(self, dprimal: Tensor, ddual: Tensor, saved_state: Any) -> tuple[None, Tensor, Tensor]:
        u, values = saved_state
        # The state is kept for a second backward of the same call.
        (gradient,) = torch.autograd.grad(u, values, dprimal, retain_graph=True)
        return None, gradient, gradient.new_zeros(len(gradient), 0)

    def _denoise(self, values: Tensor, found: TVProblem) -> Tensor:
        """The minimisers in Fortran order, (batch, height * width)."""
        batch, height, width = len(values), found.height, found.width
        source, target, pixels = (
            torch.from_numpy(part).to(device=values.device) for part in (found.source, found.target, found.y)
        )
        maps = values.new_zeros(batch, 2 * height * width).index_add(1, target, values[:, source])
        y = values[:, pixels].reshape(batch, 1, height, width)
        u = self._solver(y, maps.reshape(batch, 2, height, width)).denoised[:, 0]
        return u.transpose(1, 2).reshape(batch, height * width)


@dataclass(frozen=True)
class _Matrix:
    """Where cvxpylayers looks for a canonical matrix."""

    reduced_mat: sp.csr_array | None


@dataclass(frozen=True)
class _Program:
    """What cvxpylayers reads of a compiled program: q = the vector of the parameters, and nothing else."""

    tv: TVProblem
    q: sp.csr_array
    reduced_P: _Matrix
    reduced_A: _Matrix
    param_id_to_col: dict[int, int]
    var_id_to_col: dict[int, int]
    constr_map: dict[type, list]


@final
class _Canonical(ConicSolver):
    """Compiles a recognised problem to its parameters."""

    MIP_CAPABLE = True  # so that an integer variable is refused by `recognise`, with the reason

    def name(self) -> str:
        return "DIFFTV"

    def import_solver(self) -> None:
        """Nothing to import."""

    def cite(self, data: dict) -> str:
        return "Diff-TV-Net"

    def can_solve(self, problem_form: Any) -> bool:
        problem = problem_form._problem
        found = recognise(problem)
        (u,) = problem.variables()
        size = found.columns + 1
        problem._cache.param_prog = _Program(
            tv=found,
            q=sp.csr_array(sp.identity(size, format="csr")),
            reduced_P=_Matrix(None),
            reduced_A=_Matrix(sp.csr_array((0, size))),
            param_id_to_col=found.offsets,
            var_id_to_col={u.id: 0},
            constr_map={},
        )
        problem._cache.inverse_data = []
        return True

    def apply(self, problem: Any) -> tuple[dict, Any]:
        if not isinstance(problem, _Program):
            raise NotImplementedError(
                "This version of CVXPY compiles the problem before it asks for what is compiled already. "
                "ExactTV works with cvxpy 1.9 and cvxpylayers 1.2."
            )
        return {self.DIMS: problem.tv, cp.settings.PARAM_PROB: problem}, None

    def solve_via_data(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("ExactTV solves in a CvxpyLayer; problem.solve() has its own solvers.")
