"""How many threads work on a batch of images: never more than torch may use."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")

_WORTH_A_THREAD = 2**16
"""Pixels below which a second thread gains nothing in operations on a batch, and costs a lot on a busy machine."""


def map_images(work: Callable[[int], T], batch: int) -> list[T]:
    """`work` of every image, by its index. The threads end with this call, so that a fork afterwards is safe."""
    # torch's count, and not the machine's: it is the knob that people know, and 1 in a DataLoader worker.
    threads = min(torch.get_num_threads(), batch)
    if threads <= 1:
        return [work(index) for index in range(batch)]
    with ThreadPoolExecutor(threads) as team:
        return list(team.map(work, range(batch)))


@contextlib.contextmanager
def limited_threads(pixels: int, device: torch.device) -> Iterator[None]:
    """Within the block, torch's operations on the CPU use no more threads than so many pixels keep busy.

    Every operation ends when its slowest thread does: where another process has the second core, one that takes
    microseconds waits for milliseconds (measured: 16 times slower on a batch of two 32x32 images).
    """
    before = torch.get_num_threads()
    wanted = min(before, max(1, pixels // _WORTH_A_THREAD))
    if device.type != "cpu" or wanted == before:
        yield
        return
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
