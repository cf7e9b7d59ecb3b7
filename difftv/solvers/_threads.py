"""The images of a batch side by side, in as many threads as torch may use."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


def of_each(work: Callable[[int], T], batch: int) -> list[T]:
    """`work` of every image, by its index. The threads end with this call, so that a fork afterwards is safe."""
    # torch's count, and not the machine's: it is the knob that people know, and 1 in a DataLoader worker.
    threads = min(torch.get_num_threads(), batch)
    if threads <= 1:
        return [work(index) for index in range(batch)]
    with ThreadPoolExecutor(threads) as team:
        return list(team.map(work, range(batch)))
