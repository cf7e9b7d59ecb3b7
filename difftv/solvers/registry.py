"""Which solvers there are, and which of them takes a problem: the one place that a solver is added to.

`Auto`, the calls without a network, the command line, stored models and error messages ask here. The classes are named,
not imported, so that a solver may ask for the others.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from difftv.problem.data_term import DataTerm
from difftv.regularizers.base import Regularizer

if TYPE_CHECKING:
    from difftv.solvers.base import Solver

_MODULES = {
    "exact": "difftv.solvers.exact.Exact",
    "admm": "difftv.solvers.admm.Admm",
    "scs": "difftv.solvers.scs.Scs",
    "ecos": "difftv.solvers.ecos.Ecos",
    "clarabel": "difftv.solvers.clarabel.Clarabel",
    "auto": "difftv.solvers.auto.Auto",
}
"""Name on the command line -> class; the exact and fast ones first."""

EARLIER_NAMES = {"taut_string": "exact"}
"""Name in earlier versions -> today's."""

EARLIER_CLASSES = {"TautString": "exact"}
"""Class in earlier versions -> today's name."""

_ANY_SIZE = ("exact", "admm")
"""Those that take images of any size, the better one first."""


class _Solvers(Mapping[str, "type[Solver]"]):
    """The solvers by name; a class is imported when it is asked for."""

    def __getitem__(self, name: str) -> "type[Solver]":
        module, _, kind = _MODULES[EARLIER_NAMES.get(name, name)].rpartition(".")
        return getattr(import_module(module), kind)

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


BY_NAME: Mapping[str, "type[Solver]"] = _Solvers()
"""By the name on the command line, which stored models use as well."""


def solvers_for(regularizer: Regularizer, data: DataTerm | None = None) -> list["type[Solver]"]:
    """The solvers that do not refuse the problem, in the order of `BY_NAME`; without `auto`, which is one of them.

    Args:
        regularizer: regularizer of the problem.
        data: its data term; None stands for 1/2 ||u - y||^2.
    """
    return [kind for name, kind in BY_NAME.items() if name != "auto" and kind.refusal(regularizer, data) is None]


def solver_for(regularizer: Regularizer, data: DataTerm | None = None) -> "type[Solver]":
    """The solver for images of any size: `Exact` where it takes the problem, else `Admm`.

    Raises:
        ValueError: neither takes it.
    """
    for name in _ANY_SIZE:
        if BY_NAME[name].refusal(regularizer, data) is None:
            return BY_NAME[name]
    reason = BY_NAME[_ANY_SIZE[-1]].refusal(regularizer, data)
    raise ValueError(refusal_message(_ANY_SIZE[-1], regularizer, data, str(reason)))


def solver_taking(solver: "Solver", data: DataTerm) -> "Solver":
    """The solver itself where it takes the data term, else the one for images of any size.

    Raises:
        ValueError: neither takes it.
    """
    if solver.refusal(solver.regularizer, data) is None:
        return solver
    return solver_for(solver.regularizer, data)(solver.regularizer)


def refusal_message(name: str, regularizer: Regularizer, data: DataTerm | None, reason: str) -> str:
    """What a solver says that cannot take a problem: why, and which ones can."""
    others = ", ".join(solver.name for solver in solvers_for(regularizer, data)) or "none"
    weighted = " with data_weight" if data is not None and data.weight is not None else ""
    behind = " behind an operator" if data is not None and data.operator is not None else ""
    advice = " A constant weight c is the same as lam / c." if weighted else ""
    return f"{name} cannot take {regularizer.name}{behind}{weighted}: {reason}. Solvers that take it: {others}.{advice}"
