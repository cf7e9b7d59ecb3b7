"""A function called in a fork of this process, which has used the solvers' threads before."""

import multiprocessing
from collections.abc import Callable, Sequence

import pytest
import torch

needs_fork = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")


def in_a_fork(work: Callable[..., Sequence[torch.Tensor]], *arguments: torch.Tensor) -> list[torch.Tensor]:
    """What `work` returns in a fork of this process."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=lambda: queue.put([tensor.numpy() for tensor in work(*arguments)]))
    child.start()
    try:
        return [torch.from_numpy(array) for array in queue.get(timeout=60)]
    finally:
        child.join(10)
        child.kill()
