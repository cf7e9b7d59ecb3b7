"""Packages that a plain install leaves out: asked for where they are needed, with the command that installs them."""

import importlib.util

from difftv.errors import MissingDependencyError


def require(extra: str, *modules: str, by: str = "This") -> None:
    """Check that the modules of an extra can be imported, without importing them.

    Args:
        extra: the extra of `pyproject.toml` that installs them.
        modules: top-level names, as they are imported.
        by: what needs them, the first words of the message.

    Raises:
        MissingDependencyError: with the names of those that are missing and the command that installs them.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingDependencyError(
            f"{by} needs {', '.join(missing)}, not installed here (extra {extra!r}). "
            f'Run: pip install "difftv[{extra}]" '
            f'(in a checkout: pip install --constraint constraints.txt --editable ".[{extra}]").'
        )
