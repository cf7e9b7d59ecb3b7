"""Signals that would end a training, held back while its state is between two steps."""

import contextlib
import signal
import threading
from collections.abc import Iterator

_STOPS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def deferred_stop() -> Iterator[None]:
    """Answer SIGINT and SIGTERM after the block, where Python would have answered them within it.

    Threads and signals that Python does not handle are left as they are.
    """
    handlers = {number: signal.getsignal(number) for number in _STOPS}
    handled = [number for number, handler in handlers.items() if callable(handler)]
    if not handled or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    for number in handled:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, handlers[number])
        if came:
            signal.raise_signal(came[0])
