"""What ours is compared with: `CvxpyLayer` as one would write it without this package, on the same problem."""

from collections.abc import Callable
from typing import Any

import torch

from difftv.problem.units import Units
from difftv.regularizers import Regularizer
from difftv.solvers._cone_program import cone_program
from difftv.solvers.cvxpy_layer import ConeSolver
from difftv.types import Image, Map


def bare_layer(regularizer: Regularizer, height: int, width: int) -> Any:
    """The compiled layer (noisy, *maps) -> (denoised,) with the interface to diffcp that cvxpylayers ships."""
    from cvxpylayers.torch import CvxpyLayer

    program = cone_program(regularizer, height, width)
    return CvxpyLayer(program.problem, parameters=program.parameters, variables=program.variables[:1])


def bare_solve(layer: Any, like: ConeSolver, noisy: Image) -> Callable[[Map], Image]:
    """Solve with the backend, the options, the number of threads and the units of the solver `like`.

    In other units the backend would stop at another accuracy, and the times would not be comparable.
    """
    units = Units.of(noisy, scaled=like.regularizer.equivariant)
    y = units.data(noisy)[:, 0]

    def solve(lam: Map) -> Image:
        threads = torch.get_num_threads()
        arguments: dict[str, Any] = {"solve_method": like.solve_method, **like.backend_options()}
        arguments["n_jobs_forward"] = threads
        if torch.is_grad_enabled():  # without a gradient, diffcp would hand this one on to the backend
            arguments["n_jobs_backward"] = threads
        (denoised,) = layer(y, *units.maps(lam).unbind(1), solver_args=arguments)
        return units.image(denoised[:, None])

    return solve
