"""Exact piecewise-Lipschitz total variation on a graph, by an active-set method on the dual, and its gradient.

    u* = argmin 1/2 ||u - y||^2 + sum_e lam_e (|(Du)_e| - gam_e)_+,     (Du)_e = u_head - u_tail
    dual:  min_p 1/2 ||y - D^T p||^2 + sum_e gam_e |p_e|,  |p_e| <= lam_e,     u = y - D^T p

With gam = 0 it is anisotropic total variation. Importing this imports Numba.
"""

from difftv.solvers.exact.network_simplex.image import Answer, gradient, solve_image

__all__ = ["Answer", "gradient", "solve_image"]
