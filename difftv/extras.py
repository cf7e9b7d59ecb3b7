"""Packages that a plain install leaves out: asked for where they are needed, with the command that installs them."""

import importlib.metadata
import importlib.util
import re

from difftv.errors import MissingDependencyError


def require(extra: str, *modules: str, by: str = "This") -> None:
    """Check that the modules of an extra can be imported, without importing them.

    Args:
        extra: the extra of `pyproject.toml` that installs them.
        modules: top-level names, as they are imported.
        by: feature that needs them, the first words of the message.

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


def require_version(extra: str, distribution: str, least: tuple[int, ...], *, by: str = "This") -> None:
    """Check that an installed distribution is new enough.

    Args:
        extra: the extra of `pyproject.toml` that installs it.
        distribution: as pip names it.
        least: the oldest version that works, (4, 0) for 4.0.
        by: feature that needs it, the first words of the message.

    Raises:
        MissingDependencyError: with the version that is there and the command that installs another.
    """
    found = importlib.metadata.version(distribution)
    numbers = tuple(int(number) for number in re.findall(r"\d+", found.partition("+")[0])[: len(least)])
    if numbers < least:
        raise MissingDependencyError(
            f"{by} needs {distribution} {'.'.join(map(str, least))} or newer, {found} is installed (extra {extra!r}). "
            f'Run: pip install --upgrade "difftv[{extra}]".'
        )
