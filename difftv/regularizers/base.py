"""What is minimised: the contract that every regularizer of the family R_lam(u) = sum_e lam_e phi(K u)_e fulfils."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from difftv.types import Dual, Image, Map, PerImage

if TYPE_CHECKING:
    import cvxpy


@dataclass(frozen=True)
class ConeForm:
    """A regularizer as the cone programs see it.

    `expression` is the value; `constraints` tie its auxiliary variables; `dual_variables` are the multipliers that
    `Regularizer.dual_from_cone` reads, in its order.
    """

    expression: "cvxpy.Expression"
    constraints: "list[cvxpy.Constraint]"
    dual_variables: "list[cvxpy.Variable]"


class Regularizer(abc.ABC):
    """R_lam(u) = sup { <K u, p> : p in C_lam }, with K linear and C_lam convex and closed.

    A subclass states the same function in the ways solvers need it: its value, its dual set C_lam (for duality gaps
    and first-order methods) and its cone form (for CVXPY). The contract tests tie them together.
    """

    name: str
    """The word that selects it on the command line."""

    num_maps: int
    """Channels of the map `lam` that it takes."""

    equivariant: bool = True
    """Whether R_{s lam}(s u + c) = s^2 R_lam(u) for all s > 0 and c: an image is then solved in units of its own."""

    cone_entries: int
    """Rows per pixel of the cone program, as far as the memory of compiling it goes (measured, see `build_bytes`)."""

    @abc.abstractmethod
    def value(self, u: Image, lam: Map) -> PerImage:
        """R_lam(u) of every image of the batch."""

    @abc.abstractmethod
    def analysis(self, u: Image) -> Dual:
        """K u."""

    @abc.abstractmethod
    def adjoint(self, p: Dual) -> Image:
        """K^T p."""

    @abc.abstractmethod
    def project(self, p: Dual, lam: Map) -> Dual:
        """The point of the dual set C_lam nearest to p."""

    @abc.abstractmethod
    def cone_form(self, u: "cvxpy.Variable", lam: "Sequence[cvxpy.Parameter]") -> ConeForm:
        """The same function of a (height, width) CVXPY variable, with one (height, width) parameter per map."""

    @abc.abstractmethod
    def dual_from_cone(self, multipliers: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
        """p, (2, height, width), from the values of `ConeForm.dual_variables` for one image of that shape."""
