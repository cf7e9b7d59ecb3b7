"""The problem as an object: data term, regularizer and maps; its units; its certificate."""

from difftv.problem.data_term import DataTerm
from difftv.problem.gap import certificate, relative_gap
from difftv.problem.problem import Problem
from difftv.problem.units import Units

__all__ = ["DataTerm", "Problem", "Units", "certificate", "relative_gap"]
