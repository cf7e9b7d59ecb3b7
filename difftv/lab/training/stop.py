"""Signals that would end a training: held back between two steps, and what takes back the step that one cuts."""

import contextlib
import copy
import signal
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from difftv.lab.rundir.checkpoint import random_state, restore_random_state
from difftv.lab.training.state import EpochSums

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name))
"""The last two are the notice that clusters give before they take a node back."""


@contextlib.contextmanager
def deferred_stop() -> Iterator[None]:
    """Answer signals that stop a job after the block, where Python would have answered them within it.

    Threads and signals that Python does not handle are left as they are.
    """
    handlers = {number: signal.getsignal(number) for number in STOPS}
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


class Snapshot(NamedTuple):
    """What a gradient or a validation may change, as it was before: all but weights, optimizer and scheduler."""

    totals: EpochSums
    buffers: dict[str, Tensor]
    random: dict[str, Any]

    @classmethod
    def of(cls, predictor: nn.Module, totals: EpochSums) -> "Snapshot":
        """A copy of the state now."""
        buffers = {name: buffer.clone() for name, buffer in predictor.named_buffers()}
        return cls(copy.deepcopy(totals), buffers, random_state())

    @torch.no_grad()
    def restore(self, predictor: nn.Module) -> EpochSums:
        """The sums from before; buffers and random generators are put back."""
        for name, buffer in predictor.named_buffers():
            buffer.copy_(self.buffers[name])
        restore_random_state(self.random)
        return self.totals
