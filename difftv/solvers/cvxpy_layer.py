"""The cone program through `cvxpylayers.torch.CvxpyLayer`; SCS, ECOS and Clarabel are its backends.

    minimize  1/2 sum_squares(U - Y) + R(U; MAPS)        parameters Y, MAPS, bounds      (`_cone_program.py`)

Differentiation is implicit, on the homogeneous self-dual embedding of the cone program (Agrawal et al. 2019,
"Differentiable convex optimization layers"): as accurate as the forward solve and its LSQR. On most images that is 1e-4
relative in d/dlam; where two components are nearly merged it is a few percent, even through ECOS and Clarabel.
"""

import abc
import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from difftv.errors import ProblemTooLargeError
from difftv.extras import require
from difftv.memory import available_memory
from difftv.problem import DataTerm, Problem, certificate
from difftv.regularizers.base import Regularizer
from difftv.solvers._cone_program import ConeProgram, cone_program, entries_per_pixel, refusal, rows_and_columns
from difftv.solvers.base import RawSolution, Solver
from difftv.solvers.registry import solver_for
from difftv.space import by_size
from difftv.types import Image

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
        self._layers: OrderedDict[tuple[tuple[int, ...], bool], Any] = OrderedDict()

    @classmethod
    @final
    def refusal(cls, regularizer: Regularizer, data: DataTerm | None = None) -> str | None:
        if data is not None and data.operator is not None:
            return "it has no forward operator"
        return refusal(regularizer)

    @abc.abstractmethod
    def backend_options(self) -> dict[str, float]:
        """The options that the backend itself understands."""

    @final
    def solve(self, problem: Problem) -> RawSolution:
        data, y, lam = problem.data, problem.data.y, problem.maps
        for name, infinite in zip(
            self.regularizer.map_names, lam.isinf().any(0).flatten(1).any(1).tolist(), strict=True
        ):
            if infinite:
                raise ValueError(
                    f"{name} is infinite somewhere, which a cone program cannot take. Use a large finite value."
                )
        space = tuple(y.shape[2:])
        if math.prod(space) == 1:
            return _unregularised(data, self.regularizer.auxiliary)
        from difftv.solvers.diffcp_interface import SolveReport

        report = SolveReport()
        layer, program = self._layer(space, weighted=data.weight is not None)
        scaled, roots = _scaled(data)
        u, *others = layer(
            _stacked(scaled),
            *(_matrix(part) for part in lam.unbind(1)),
            *(bound.flatten() for bound in data.sides),
            *(_stacked(root) for root in roots),
            solver_args={
                "backend": {"solve_method": self.solve_method, **self.backend_options()},
                # torch's own setting is the one knob for "how many cores may this process use".
                "threads": torch.get_num_threads(),
                "report": report,
            },
        )
        u = data.clip(u.reshape(y.shape))
        with torch.no_grad():
            v, p = _fields_and_dual(program, [part.detach() for part in others], self.regularizer.auxiliary, space)
            x = u if v is None else torch.cat([u, v], dim=1)
            gap = certificate(problem, x, p)
        return RawSolution(u, gap, torch.tensor(report.iterations), torch.tensor(report.converged), v)

    @final
    def check_size(self, *space: int) -> None:
        needed, limit = build_bytes(self.regularizer, *space), available_memory()
        if needed > limit:
            axes = len(space)
            side = int((math.prod(space) * (limit / needed) ** 0.5) ** (1 / axes))
            other = solver_for(self.regularizer).__name__
            raise ProblemTooLargeError(
                f"The cone program of a {by_size(space)} image needs about {needed / 2**30:.1f} GiB to compile, and "
                f"{limit / 2**30:.1f} GiB are free. Use patches of at most {by_size([side] * axes)}"
                f", or {other}, which takes images of any size."
            )

    def _layer(self, space: tuple[int, ...], *, weighted: bool) -> Any:
        key = (space, weighted)
        if key not in self._layers:
            self.check_size(*space)
            self._layers[key] = _compile(self.regularizer, space, weighted=weighted)
            while len(self._layers) > LAYERS_KEPT:
                self._layers.popitem(last=False)
        return self._layers[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_layers": OrderedDict()}


def build_bytes(regularizer: Regularizer, *space: int) -> int:
    """Estimated peak memory of compiling the cone program, in bytes.

    The quadratic term becomes one second-order cone, and cvxpy's reshuffling of the cones makes a sparse matrix with a
    column for every pair of a row and a parameter. Within a factor 1.2 of what was measured from 16x16 to 64x64 for
    each regularizer (experiments/benchmark.py --only build).
    """
    pixels = math.prod(space)
    return (
        BYTES_PER_TENSOR_ENTRY
        * (entries_per_pixel(regularizer) * pixels + 1)
        * ((regularizer.channels + regularizer.num_maps) * pixels + 1)
    )


def _compile(regularizer: Regularizer, space: Sequence[int], *, weighted: bool):
    from cvxpylayers.torch import CvxpyLayer

    from difftv.solvers.diffcp_interface import DiffcpInterface

    program = cone_program(regularizer, *space, weighted=weighted)
    layer = CvxpyLayer(
        program.problem, parameters=program.parameters, variables=program.variables, solver=DiffcpInterface()
    )
    return layer, program


def _fields_and_dual(
    program: ConeProgram, values: list[Tensor], auxiliary: int, shape: Sequence[int]
) -> tuple[Tensor | None, Tensor]:
    """v (None without an auxiliary field) and p from the variables of the program after the image."""
    batch = values[0].shape[0]
    v = None
    if program.entries_of_v.size:
        v = values[0].new_zeros(batch, auxiliary * math.prod(shape))
        v[:, program.entries_of_v] = values.pop(0)
        v = v.reshape(batch, auxiliary, *shape)
    duals = []
    for block in program.blocks:
        own = [values.pop(0).numpy() for _ in range(block.multipliers)]
        found = [block.dual_variable([part[index] for part in own], shape) for index in range(batch)]
        duals.append(torch.from_numpy(np.stack(found)))
    return v, torch.cat(duals, dim=1)


def _matrix(values: Tensor) -> Tensor:
    """(batch, *space) as the matrices of the program."""
    return values.reshape(len(values), *rows_and_columns(values.shape[1:]))


def _stacked(image: Image) -> Tensor:
    """(batch, channels, *space) likewise, the channels one below the other."""
    rows, columns = rows_and_columns(image.shape[2:])
    return image.reshape(len(image), image.shape[1] * rows, columns)


def _scaled(data: DataTerm) -> tuple[Image, list[Image]]:
    """sqrt(w) y and sqrt(w) for the program, y itself where there are no weights."""
    if data.weight is None:
        return data.y, []
    # Where w = 0 no gradient is asked for, and the square root has none.
    positive = data.weight > 0
    root = torch.where(positive, torch.where(positive, data.weight, torch.ones_like(data.weight)).sqrt(), 0.0)
    return root * data.y, [root]


def _unregularised(data: DataTerm, auxiliary: int) -> RawSolution:
    y, batch = data.y, data.y.shape[0]
    return RawSolution(
        data.clip(y.clone()),
        torch.zeros(batch, dtype=y.dtype),
        torch.zeros(batch, dtype=torch.int64),
        torch.ones(batch, dtype=torch.bool),
        y.new_zeros(batch, auxiliary, *y.shape[2:]) if auxiliary else None,
    )
