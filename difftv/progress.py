"""How far long work on one image is, for a progress bar."""

import contextlib
import functools
import math
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar

_watcher: ContextVar[Callable[[float], object] | None] = ContextVar("watcher", default=None)


@contextlib.contextmanager
def watched(on_progress: Callable[[float], object]) -> Iterator[None]:
    """Within the block, long work calls `on_progress` now and then with the share that is done.

    The share is an estimate in [0, 1] that never falls within one image. A predictor calls it after every strip of a
    large image, and `admm` as it iterates: a change of the image that falls geometrically is taken to go on as it did.
    `exact` calls it for volumes; it takes seconds for a photograph and does not.
    """
    token = _watcher.set(on_progress)
    try:
        yield
    finally:
        _watcher.reset(token)


@contextlib.contextmanager
def part(low: float, high: float) -> Iterator[None]:
    """Within the block, shares of a part of the work count as shares from `low` to `high` of all of it."""
    watcher = _watcher.get()
    if watcher is None:
        yield
        return
    with watched(lambda share: watcher(low + (high - low) * share)):
        yield


def report(share: float) -> None:
    """Tell whoever watches that this share of the work is done."""
    if (watcher := _watcher.get()) is not None:
        watcher(share)


def shared(count: int) -> list[Callable[[float], None]]:
    """Functions that take the share of each of `count` images, from any thread: what is reported is their mean."""
    watcher, shares, lock = _watcher.get(), [0.0] * count, threading.Lock()

    def tell(index: int, share: float) -> None:
        if watcher is None or share <= shares[index]:
            return
        with lock:
            shares[index] = share
            watcher(sum(shares) / count)

    return [functools.partial(tell, index) for index in range(count)]


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
