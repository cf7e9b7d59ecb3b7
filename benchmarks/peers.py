"""Other people's packages: whether they are installed, their versions, and the accuracy that they are set to."""

import importlib.metadata
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.torchvision_operators import declare
from difftv.errors import MissingDependencyError
from difftv.extras import require
from difftv.types import Map

_BISECTIONS = 3


def require_prox_tv() -> None:
    """Raise a MissingDependencyError unless proxTV is installed."""
    require("peers", "prox_tv", by="proxTV, which builds from source with LAPACKE (liblapacke-dev on Debian),")


def require_scikit_image() -> None:
    """Raise a MissingDependencyError unless scikit-image is installed."""
    require("train", "skimage", by="The comparison with scikit-image")


def require_deepinv() -> None:
    """Raise a MissingDependencyError unless deepinv is installed and can be imported."""
    require("deepinv", "deepinv", by="deepinv's TVDenoiser, a contestant here,")
    declare()
    try:
        import deepinv  # noqa: F401
    except Exception as error:
        raise MissingDependencyError(f"deepinv is installed but cannot be imported: {error}") from error


def peer_versions() -> dict[str, str]:
    """Version of every peer that is installed and no library of ours."""
    found = {}
    for name in ("deepinv", "prox-tv"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def fewest(enough: Callable[[int], bool], most: int) -> int | None:
    """The smallest number of iterations that is enough, to 1 part in 2^_BISECTIONS: by doubling, then by halves.

    None where the last one that doubling tries, at most `most`, is not enough.
    """
    high = 1
    while not enough(high):
        high *= 2
        if high > most:
            return None
    low = high // 2
    for _ in range(_BISECTIONS):
        middle = (low + high) // 2
        if middle == low:
            break
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def rms(difference: Map | NDArray[np.floating[Any]]) -> float:
    """Root mean square, in float64."""
    return float(np.sqrt(np.mean(np.square(np.asarray(difference, dtype=np.float64)))))
