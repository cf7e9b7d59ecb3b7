"""Names that a package offers without importing what they need.

Composing a configuration and skipping a finished run must not wait for torch, which alone takes longer than both.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package: a name is imported from its module when it is first asked for.

    Args:
        package: the dotted name of the package.
        homes: name -> module below the package that defines it.
    """

    def __getattr__(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return __getattr__
