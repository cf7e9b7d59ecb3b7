"""A solve with a forward operator in front: what is asked of measurements, and the units it is solved in."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from difftv.linear.forward import ForwardOperator, dot_test, first_look
from difftv.problem.data_term import DataTerm, contrast, within
from difftv.problem.problem import Problem
from difftv.regularizers.base import Regularizer
from difftv.solvers.bridge import SolveTime
from difftv.solvers.registry import refusal_message
from difftv.solvers.solution import Solution
from difftv.space import AXES
from difftv.types import Map

if TYPE_CHECKING:
    from difftv.solvers.base import Solver, Workplace


def solve_behind(
    solver: "Solver", y: Tensor, maps: Map, data_weight: Tensor | None, operator: ForwardOperator
) -> Solution:
    """The minimiser behind A, for measurements and maps as they come; see `Solver.forward`."""
    _check_tensors(y, maps, data_weight, solver.regularizer)
    stated = DataTerm(y, weight=data_weight, operator=operator)
    solver = solver.worker(stated)
    reason = solver.refusal(solver.regularizer, stated)
    if reason is not None:
        raise ValueError(refusal_message(solver.name, solver.regularizer, stated, reason))
    with solver.workplace.isolated(y.device):
        problem, scale = _problem(y, maps, data_weight, operator, solver.regularizer, solver.workplace)
        started = time.perf_counter()
        raw = solver.solve(problem)
        seconds = SolveTime(forward=time.perf_counter() - started)
        dtype = y.real.dtype
        u = within((scale * raw.u).to(dtype), solver.regularizer.bounds)
        v = None if raw.auxiliary is None else (scale * raw.auxiliary).to(dtype).to(y.device)
    return Solution(u.to(y.device), maps, raw.gap, raw.iterations, raw.converged, v, seconds)


def _problem(
    y: Tensor,
    maps: Map,
    weight: Tensor | None,
    operator: ForwardOperator,
    regularizer: Regularizer,
    workplace: "Workplace",
) -> tuple[Problem, Tensor]:
    """The problem in units in which the first look has a contrast of about 1, and those units."""
    if weight is not None:
        # A measurement of weight 0 does not matter, and may be NaN.
        y = torch.where(weight > 0, y, torch.zeros_like(y))
        weight = workplace.to(weight)
    maps = workplace.to(maps)
    y = y.to(maps.device).to(maps.dtype.to_complex() if y.is_complex() else maps.dtype)
    shape = (len(maps), regularizer.channels, *maps.shape[2:])
    with torch.no_grad():
        measured = operator.apply(maps.new_zeros(shape))
        if measured.shape != y.shape or measured.is_complex() != y.is_complex():
            raise ValueError(
                f"noisy must have the shape of operator.apply of images {tuple(shape)}, {tuple(measured.shape)} "
                f"({'complex' if measured.is_complex() else 'real'}); got {tuple(y.shape)} "
                f"({'complex' if y.is_complex() else 'real'}). The size of the images is that of lam."
            )
        if not bool(y.isfinite().all()):
            raise ValueError("noisy holds NaN or infinity at measurements that count. Give these the data_weight 0.")
        dot_test(operator, shape, like=maps)
        seen = y if weight is None else (weight > 0) * y
        scale = _power_of_two(contrast(first_look(operator, seen)))
        if not regularizer.equivariant:
            scale = torch.ones_like(scale)
    lower, upper = None, None
    if regularizer.bounds is not None:
        low, high = regularizer.bounds
        lower = torch.full_like(scale, -torch.inf if low is None else low) / scale
        upper = torch.full_like(scale, torch.inf if high is None else high) / scale
    over = scale.reshape(-1, *[1] * (y.ndim - 1))
    data = replace(DataTerm(y / over, weight=weight, operator=operator), lower=lower, upper=upper)
    return Problem(data, regularizer, maps / scale), scale


def _power_of_two(values: Tensor) -> Tensor:
    exponent = np.frexp(values.cpu().double().numpy())[1].clip(-60, 60)
    return torch.from_numpy(np.ldexp(1.0, exponent)).to(values.dtype).to(values.device)


def _check_tensors(y: Tensor, maps: Map, weight: Tensor | None, regularizer: Regularizer) -> None:
    for name, tensor in (("noisy", y), ("lam", maps), ("data_weight", weight)):
        if not isinstance(tensor, Tensor) and not (tensor is None and name == "data_weight"):
            raise TypeError(
                f"{name} must be a torch.Tensor, got {type(tensor).__module__}.{type(tensor).__qualname__}."
            )
    if not (y.is_floating_point() or y.is_complex()) or not maps.is_floating_point():
        raise ValueError(f"noisy must be floating point or complex, lam floating point; got {y.dtype}, {maps.dtype}.")
    if (
        maps.ndim != 2 + regularizer.axes
        or maps.shape[1] != regularizer.num_maps
        or len(maps) != len(y)
        or maps.numel() == 0
    ):
        raise ValueError(
            f"lam must have shape ({len(y)}, {regularizer.num_maps}, {', '.join(AXES[regularizer.axes])}) (batch of "
            f"noisy, maps, size of the images) for {regularizer.name}, whose maps are "
            f"{', '.join(regularizer.map_names)}; got "
            f"{tuple(maps.shape)}."
        )
    if not bool((maps.detach() >= 0).all()):
        raise ValueError("lam must be >= 0 everywhere, and not NaN. A predictor makes its maps positive with softplus.")
    if weight is None:
        return
    if weight.shape != y.shape or not weight.is_floating_point():
        raise ValueError(
            f"data_weight must be floating point and have the shape of the measurements, {tuple(y.shape)}; got "
            f"{tuple(weight.shape)}, {weight.dtype}."
        )
    values = weight.detach()
    if not bool((values.isfinite() & (values >= 0)).all()) or not bool((values.flatten(1).amax(dim=1) > 0).all()):
        raise ValueError("data_weight must be finite and >= 0 everywhere, and of no image 0 at all measurements.")
