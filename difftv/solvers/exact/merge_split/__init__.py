"""From nearly right components to the exact minimiser: components merged and split, each verified by a flow."""

from difftv.solvers.exact.merge_split.flow_problem import FlowProblem, flow_problem
from difftv.solvers.exact.merge_split.refine import label_components, refine

__all__ = ["FlowProblem", "flow_problem", "label_components", "refine"]
