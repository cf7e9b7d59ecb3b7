"""Recognise anisotropic total-variation denoising in a CVXPY problem, however its differences are written.

    minimize  1/2 sum_squares(u - y) + sum_e w_e |u_i - u_j|,    e = (i, j) neighbours, w_e an entry of a parameter

Structure is read from the expression tree; which pixels an affine expression subtracts, from its Jacobian; which entry
of a parameter a weight is, from its value where all entries of all parameters hold numbers of their own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import cvxpy as cp
import numpy as np
import scipy.sparse as sp
from cvxpy.atoms.affine.add_expr import AddExpression
from cvxpy.atoms.affine.binary_operators import DivExpression, MulExpression, multiply
from cvxpy.atoms.affine.sum import Sum
from cvxpy.atoms.elementwise.abs import abs as Abs
from cvxpy.atoms.norm1 import norm1
from cvxpy.atoms.quad_over_lin import quad_over_lin

_LONGEST = 120
"""Characters of an expression in a message."""

Expression = Any
"""Of CVXPY, whose own types leave the arguments of an expression out."""

Row = tuple[np.ndarray, Expression]
"""Weights of differences, as columns of the parameter vector, and the differences; both by Fortran order."""


@dataclass(frozen=True)
class TVProblem:
    """Where the data and the weights of the differences stand in the vector of all parameters, each in Fortran order.

    Attributes:
        height, width: sides of u; a vector is one column.
        y: column of every pixel, (height * width,), row by row.
        source: column of the weight of every difference.
        target: where it goes in the maps (2, height, width), flattened: of the upper or left one of both pixels.
        offsets: id of every parameter -> its first column.
        columns: length of the vector.
    """

    height: int
    width: int
    y: np.ndarray
    source: np.ndarray
    target: np.ndarray
    offsets: dict[int, int]
    columns: int


def recognise(problem: cp.Problem) -> TVProblem:
    """The data of the problem.

    Raises:
        ValueError: it is another problem; the message names the part that does not fit.
    """
    if problem.constraints:
        _refuse(f"it has constraints, such as {_short(problem.constraints[0])}")
    if not isinstance(problem.objective, cp.Minimize):
        _refuse("it is a maximisation")
    variables = problem.variables()
    if len(variables) != 1:
        _refuse(f"it has {len(variables)} variables")
    u = variables[0]
    for leaf in (u, *problem.parameters()):
        allowed = set() if leaf is u else {"nonneg", "pos"}
        odd = [name for name, value in leaf.attributes.items() if value not in (None, False) and name not in allowed]
        if odd:
            _refuse(f"{leaf.name()} has the attribute {odd[0]}")
    if u.ndim not in (1, 2):
        _refuse(f"{u.name()} has shape {u.shape}, and must be a matrix or a vector")
    with _Codes.of(problem, u) as codes:
        return _read(problem, u, codes)


def _read(problem: cp.Problem, u: cp.Variable, codes: "_Codes") -> TVProblem:
    summands = list(_summands(problem.objective.args[0]))
    squares = [one for one in summands if any(isinstance(atom, quad_over_lin) for atom in _tree(one))]
    if len(squares) != 1:
        _refuse(f"its objective has {len(squares)} quadratic terms, and must have one, 0.5 * cp.sum_squares(u - y)")
    height, width = u.shape if u.ndim == 2 else (u.shape[0], 1)
    by_row = np.arange(height * width).reshape((height, width), order="F").ravel()
    y = _data(squares[0], u, codes)
    sources, targets = [], []
    for one in summands:
        if one is not squares[0]:
            for weights, difference in _absolute(one, None, codes):
                targets.append(_places(difference, u, (height, width)))
                sources.append(np.broadcast_to(weights, targets[-1].shape))
    if not sources:
        _refuse("it has no total variation, such as lam * cp.norm1(cp.diff(u, axis=0))")
    return TVProblem(
        height=height,
        width=width,
        y=y[by_row],
        source=np.concatenate(sources),
        target=np.concatenate(targets),
        offsets=codes.offsets,
        columns=codes.columns,
    )


def _summands(expression: Expression) -> Iterator[Expression]:
    if isinstance(expression, AddExpression):
        for one in expression.args:
            yield from _summands(one)
    else:
        yield expression


def _tree(expression: Expression) -> Iterator[Expression]:
    yield expression
    for one in expression.args:
        yield from _tree(one)


def _data(expression: Expression, u: cp.Variable, codes: "_Codes") -> np.ndarray:
    """The columns of y from 1/2 sum_squares(u - y), by Fortran order."""
    factor, inner = 1.0, expression
    while isinstance(inner, MulExpression | multiply | DivExpression):
        first, second = inner.args
        if isinstance(inner, DivExpression):
            number, inner, power = second, first, -1
        else:
            number, inner = (first, second) if first.is_constant() else (second, first)
            power = 1
        if number.size != 1 or number.parameters() or not number.is_constant():
            _refuse(f"its quadratic term {_short(expression)} is weighted")
        factor *= float(number.value) ** power
    if not isinstance(inner, quad_over_lin) or inner.args[1].parameters() or inner.size != 1:
        _refuse(f"its quadratic term is {_short(expression)}, and must be 0.5 * cp.sum_squares(u - y)")
    factor /= float(inner.args[1].value)
    if factor != 0.5:
        _refuse(f"its quadratic term {_short(expression)} has the factor {factor:g}, and must have 0.5")
    residual = inner.args[0]
    jacobian, sign = _jacobian(residual, u), 1
    if residual.size == u.size and (jacobian + sp.identity(u.size)).count_nonzero() == 0:
        jacobian, sign = -jacobian, -1
    if residual.size != u.size or (jacobian - sp.identity(u.size)).count_nonzero():
        _refuse(f"its quadratic term {_short(expression)} is not of u - y, pixel by pixel")
    found = codes.columns_of(lambda: -sign * residual.value)
    if found is None:
        _refuse(f"its quadratic term {_short(expression)} is not of u minus a parameter")
    return found


def _absolute(expression: Expression, weights: np.ndarray | None, codes: "_Codes") -> Iterator[Row]:
    """The differences whose absolute values are summed."""
    if isinstance(expression, AddExpression) and all(one.shape == expression.shape for one in expression.args):
        for one in expression.args:
            yield from _absolute(one, weights, codes)
    elif isinstance(expression, Sum | norm1) and expression.axis is None and (weights is None or weights.size == 1):
        inner = expression.args[0]
        yield from (
            _weighted(inner, weights, codes) if isinstance(expression, norm1) else _absolute(inner, weights, codes)
        )
    elif isinstance(expression, Abs):
        yield from _weighted(expression.args[0], weights, codes)
    elif weights is None and isinstance(expression, MulExpression | multiply):
        found, other = _split(expression, codes)
        yield from _absolute(other, found, codes)
    else:
        _refuse(
            f"its term {_short(expression)} is not a sum of a nonnegative parameter times absolute differences; "
            "isotropic total variation and others are solved by difftv.Admm"
        )


def _weighted(expression: Expression, weights: np.ndarray | None, codes: "_Codes") -> Iterator[Row]:
    """The differences inside of an absolute value, where a weight may stand as well."""
    if weights is None and isinstance(expression, MulExpression | multiply) and expression.parameters():
        weights, expression = _split(expression, codes)
    if weights is None:
        _refuse(f"the differences {_short(expression)} have no weight; make it a cp.Parameter(nonneg=True)")
    if expression.parameters() or not expression.is_affine():
        _refuse(f"{_short(expression)} is not a difference of pixels")
    yield weights, expression


def _split(expression: Expression, codes: "_Codes") -> tuple[np.ndarray, Expression]:
    """The columns of the weight in a product, and the other factor."""
    first, second = expression.args
    weight, other = (first, second) if first.is_constant() else (second, first)
    if not isinstance(expression, multiply) and 1 not in (weight.size, other.size):
        _refuse(f"{_short(expression)} is a product of matrices; entry by entry it is cp.multiply")
    if not weight.is_nonneg():
        _refuse(f"the weight {_short(weight)} may be negative; declare it as cp.Parameter(nonneg=True)")
    found = codes.columns_of(lambda: np.broadcast_to(weight.value, other.shape if other.size > 1 else weight.shape))
    if found is None:
        _refuse(f"the weight {_short(weight)} is not made of entries of one parameter as they are")
    if weight.size == 1:
        found = found[:1]
    return found, other


def _places(difference: Expression, u: cp.Variable, shape: tuple[int, int]) -> np.ndarray:
    """Where each difference stands in the maps (2, height, width), flattened."""
    height, width = shape
    jacobian = _jacobian(difference, u)
    if np.any(difference.value):
        _refuse(f"{_short(difference)} has a constant beside the difference")
    counts = np.diff(jacobian.indptr)
    if np.any(counts != 2) or np.any(np.abs(jacobian.data) != 1) or np.any(jacobian.sum(axis=0) != 0):
        _refuse(f"{_short(difference)} is not made of differences of two pixels")
    pixels = np.sort(jacobian.indices.reshape(-1, 2), axis=1)
    rows, columns = pixels % height, pixels // height
    down, right = np.diff(rows, axis=1)[:, 0], np.diff(columns, axis=1)[:, 0]
    vertical, horizontal = (down == 1) & (right == 0), (down == 0) & (right == 1)
    if not np.all(vertical | horizontal):
        first = int(np.argmin(vertical | horizontal))
        _refuse(
            f"{_short(difference)} subtracts pixels ({rows[first, 0]}, {columns[first, 0]}) and ({rows[first, 1]}, "
            f"{columns[first, 1]}), which are not neighbours in a row or a column"
        )
    return np.where(vertical, 0, height * width) + rows[:, 0] * width + columns[:, 0]


def _jacobian(expression: Expression, u: cp.Variable) -> sp.csc_array:
    """(entries of u, entries of the expression), both in Fortran order."""
    if not expression.is_affine() or u.id not in {one.id for one in expression.variables()}:
        _refuse(f"{_short(expression)} is not affine in {u.name()}")
    found = sp.csc_array(sp.csc_matrix(expression.grad[u]))
    found.eliminate_zeros()
    found.sort_indices()
    return found


@dataclass(frozen=True)
class _Codes:
    """Two numbers for every entry of every parameter, by which it is known again."""

    parameters: list[cp.Parameter]
    offsets: dict[int, int]
    columns: int
    second: np.ndarray

    @classmethod
    @contextmanager
    def of(cls, problem: cp.Problem, u: cp.Variable) -> "Iterator[_Codes]":
        """With u = 0; values are put back at the end."""
        parameters = problem.parameters()
        starts = np.cumsum([0, *(one.size for one in parameters)])
        before = [(leaf, leaf.value) for leaf in (u, *parameters)]
        second = 1.0 + np.random.default_rng(0).permutation(int(starts[-1]) + 1) / (starts[-1] + 1)
        try:
            u.value = np.zeros(u.shape)
            offsets = {one.id: int(start) for one, start in zip(parameters, starts[:-1], strict=True)}
            codes = cls(parameters, offsets, int(starts[-1]), second)
            codes._set(second)  # a Jacobian is known only where every parameter has a value
            yield codes
        finally:
            for leaf, value in before:
                leaf.value = value

    def columns_of(self, evaluate) -> np.ndarray | None:
        """The column of every entry of an expression, in Fortran order; None where one is no entry of a parameter."""
        self._set(1.0 + np.arange(self.columns))
        first = np.asarray(evaluate(), dtype=float).ravel(order="F")
        if not np.all((first >= 1) & (first <= self.columns) & (first == np.round(first))):
            return None
        found = first.astype(np.int64) - 1
        self._set(self.second)
        again = np.asarray(evaluate(), dtype=float).ravel(order="F")
        return found if np.array_equal(again, self.second[found]) else None

    def _set(self, values: np.ndarray) -> None:
        for one in self.parameters:
            start = self.offsets[one.id]
            one.value = values[start : start + one.size].reshape(one.shape, order="F")


def _refuse(reason: str) -> NoReturn:
    raise ValueError(
        f"The problem is not anisotropic total-variation denoising: {reason}. Expected: minimize 0.5 * "
        "cp.sum_squares(u - y) + cp.sum(cp.multiply(lam, cp.abs(differences of neighbours))). "
        "Without ExactTV(), CvxpyLayer takes other problems."
    )


def _short(expression: object) -> str:
    text = str(expression)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
