"""How far a long solve is, for a progress bar."""

import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar

_watcher: ContextVar[Callable[[float], object] | None] = ContextVar("watcher", default=None)


@contextlib.contextmanager
def watched(on_progress: Callable[[float], object]) -> Iterator[None]:
    """Within the block, solvers that iterate call `on_progress` now and then with the share that is done.

    The share is an estimate in [0, 1] that never falls within one solve: a change of the image that falls
    geometrically is taken to go on as it did. Today `admm` calls it; `taut_string` takes seconds for a photograph.
    """
    token = _watcher.set(on_progress)
    try:
        yield
    finally:
        _watcher.reset(token)


class Progress:
    """The share of one solve, from the largest change per look and the change at which it ends."""

    def __init__(self, tol: float) -> None:
        self._tol = tol
        self._first = math.nan
        self._share = 0.0
        self._watcher = _watcher.get()
        self.wanted = self._watcher is not None

    def change(self, value: float) -> None:
        """Report after a look; `value` is the change of the image that is furthest from its end."""
        if self._watcher is None or not 0 < value < math.inf:
            return
        if math.isnan(self._first):
            self._first = max(value, 2 * self._tol)
        done = math.log(self._first / value) / math.log(self._first / self._tol)
        self._share = max(self._share, min(1.0, done))
        self._watcher(self._share)
