"""diffcp behind `CvxpyLayer`, one image at a time, with the facts about each solve that `CvxpyLayer` leaves out.

The default path of cvxpylayers drops the solver's status and iteration count, and one failing image loses the batch
without saying which. This is the extension point that cvxpylayers 1.2 offers for it; the mathematics (Agrawal et al.
2019, "Differentiating through a cone program") stays diffcp's.
"""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import scipy.sparse as sp
import torch
from cvxpy.reductions.solvers.conic_solvers.scs_conif import dims_to_solver_dict
from cvxpylayers.interfaces.base import SolverInterface
from diffcp.cone_program import SolverError as DiffcpSolverError
from diffcp.cone_program import solve_and_derivative_internal, solve_internal
from threadpoolctl import threadpool_limits
from torch import Tensor

from difftv.errors import SolverError


@dataclass
class SolveReport:
    """Filled in during one call of the layer: what the backend said about every image of the batch."""

    iterations: list[int] = field(default_factory=list)
    converged: list[bool] = field(default_factory=list)


@final
class DiffcpInterface(SolverInterface):
    """Solves and differentiates the cone programs of a batch, in parallel over the images.

    Per call, `solver_args` holds `backend` (the options that diffcp hands to the solver), `threads` and `report`.
    """

    canon_solver = "DIFFCP"

    def setup(self, ctx: Any) -> None:
        indices, pointers, (rows, columns) = ctx.reduced_A.problem_data_index
        self._rows, self._columns = rows, columns - 1
        # The last column of the augmented matrix is b.
        start_of_b = pointers[-2]
        self._indices, self._pointers = indices[:start_of_b], pointers[:-1]
        self._b_indices = indices[start_of_b:]
        self._cones = dims_to_solver_dict(ctx.cone_dims)

    def solve_torch_batch(
        self, P: Tensor | None, q: Tensor, A: Tensor, dims: Any, solver_args: dict, needs_grad: bool
    ) -> tuple[Tensor, Tensor, Any]:
        programs = [self._program(values, costs) for values, costs in zip(A.numpy(), q.numpy(), strict=True)]
        backend, threads = solver_args["backend"], solver_args["threads"]
        solve = solve_and_derivative_internal if needs_grad else solve_internal

        def one(program: tuple) -> dict | Exception:
            try:
                return solve(*program, self._cones, raise_on_error=False, **backend)
            except (DiffcpSolverError, ValueError, RuntimeError) as error:
                return error

        with warnings.catch_warnings():
            # "Solved/Inaccurate." says no image; the status below does.
            warnings.simplefilter("ignore")
            answers = _in_parallel(one, programs, threads)
        results = _checked(answers, backend["solve_method"])
        report: SolveReport = solver_args["report"]
        report.iterations += [int(result["info"]["iter"]) for result in results]
        report.converged += [result["info"]["status"].lower() == "solved" for result in results]
        primal = torch.from_numpy(np.stack([result["x"] for result in results]))
        dual = torch.from_numpy(np.stack([result["y"] for result in results]))
        return primal, dual, ([result["DT"] for result in results], threads) if needs_grad else None

    def derivative_torch_batch(self, dprimal: Tensor, ddual: Tensor, saved_state: Any) -> tuple[None, Tensor, Tensor]:
        adjoints, threads = saved_state
        no_slack_gradient = np.zeros(self._rows)

        def one(item: tuple[Callable, np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            adjoint, dx, dy = item
            dA, db, dc = adjoint(dx, dy, no_slack_gradient)
            return np.append(dc, 0.0), np.concatenate([-dA.data, db[self._b_indices]])

        items = list(zip(adjoints, dprimal.numpy(), ddual.numpy(), strict=True))
        gradients = _in_parallel(one, items, threads)
        dq, dA = (torch.from_numpy(np.stack(part)) for part in zip(*gradients, strict=True))
        return None, dq, dA

    def _program(self, values: np.ndarray, costs: np.ndarray) -> tuple[sp.csc_matrix, np.ndarray, np.ndarray]:
        matrix = sp.csc_matrix(
            (-values[: len(self._indices)], self._indices, self._pointers), shape=(self._rows, self._columns)
        )
        b = np.zeros(self._rows)
        b[self._b_indices] = values[len(self._indices) :]
        return matrix, b, costs[:-1]


def _in_parallel(function: Callable, items: Sequence, threads: int) -> list:
    workers = min(threads, len(items))
    if workers == 1:
        return [function(item) for item in items]
    with threadpool_limits(limits=1), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))


def _checked(answers: list[dict | Exception], solve_method: str) -> list[dict]:
    failures = []
    for index, answer in enumerate(answers):
        if isinstance(answer, Exception):
            failures.append(f"image {index}: {answer}")
        elif not np.isfinite(answer["x"]).all():
            failures.append(f"image {index}: {answer['info']['status']}")
    if failures:
        raise SolverError(
            f"{solve_method} gave no answer for {len(failures)} of {len(answers)} image(s) of the batch "
            f"({'; '.join(failures)}). Raise max_iter, loosen the tolerance or take another solver."
        )
    return [answer for answer in answers if isinstance(answer, dict)]
