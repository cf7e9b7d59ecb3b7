"""The compiled part of `TautString`. Importing it imports Numba, so it is imported at the first solve."""

from difftv.solvers.exact.taut_strings.image import Answer, solve_image

__all__ = ["Answer", "solve_image"]
