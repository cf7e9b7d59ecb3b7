"""Exact solvers of separable regularizers: taut strings for anisotropic TV, a network simplex for the others."""

from difftv.solvers.exact.solver import Exact, TautString

__all__ = ["Exact", "TautString"]
