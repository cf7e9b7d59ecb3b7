"""The checker that tests put around every function of the package: shapes and types as annotated, at run time."""

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

CONF = BeartypeConf(is_pep484_tower=True)
"""An int where a float is annotated is right, as PEP 484 says."""

MOST = 100
"""Calls of one function that are checked in one test. A step of an iteration is called a million times with the same
shapes, and checking it took three quarters of the time of the solvers' tests."""

_calls: Counter[tuple[str, str]] = Counter()
_unchecked: list[Any] = []


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check the types of a function that jaxtyping made from one of the package, with its module and name."""
    inner = beartype(function, conf=CONF)
    if not callable(inner) or isinstance(inner, type):
        return inner
    name = (function.__module__, function.__qualname__)

    def counted(*args: Any, **kwargs: Any) -> Any:
        _calls[name] += 1
        if _calls[name] == MOST:
            _leave_out(*name)
        return inner(*args, **kwargs)

    return counted


def check_all_again() -> None:
    """Begin to count anew: what a test has called often is checked in the next one."""
    _calls.clear()
    while _unchecked:
        del _unchecked.pop().__no_type_check__


def _leave_out(module: str, qualified: str) -> None:
    found: Any = sys.modules.get(module)
    for part in qualified.split("."):
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
    found = getattr(found, "__func__", getattr(found, "fget", found))
    if callable(found) and hasattr(found, "__wrapped__"):
        found.__no_type_check__ = True
        _unchecked.append(found)
