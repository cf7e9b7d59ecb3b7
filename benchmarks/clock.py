"""Timing side by side: whatever else the machine does, it does to all contestants alike."""

import statistics
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from timeit import Timer
from typing import TypeVar

import torch

from difftv.arguments import positive_int
from difftv.types import Image, Map

Name = TypeVar("Name", bound=Hashable)

Seconds = dict[str, list[float]]
"""Seconds of every phase (`forward`, `backward`, ...), one entry per round."""


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of a set of numbers."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Spread of `ours / theirs`, round by round: a slow moment of the machine slows both sides of one ratio.

    Raises:
        ValueError: the two were not measured in the same rounds.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"paired runs have equal numbers of rounds, got {len(ours)} and {len(theirs)}.")
    return spread([mine / other for mine, other in zip(ours, theirs, strict=True)])


def total(seconds: Seconds) -> list[float]:
    """Forward and backward together, round by round."""
    return [sum(phases) for phases in zip(seconds["forward"], seconds["backward"], strict=True)]


def take_turns(
    contestants: Mapping[Name, Callable[[], Mapping[str, float]]], repeats: int, *, warm_up: bool = True
) -> dict[Name, Seconds]:
    """Let every contestant run once per round; every other round goes backwards through them.

    Args:
        contestants: name -> a run, which returns the seconds of its phases.
        repeats: rounds, >= 1.
        warm_up: one more round before, whose times are thrown away.

    Returns:
        Seconds of every contestant; the entries of one index belong to one round.
    """
    positive_int("repeats", repeats)
    if warm_up:
        for run in contestants.values():
            run()
    seconds: dict[Name, Seconds] = {name: {} for name in contestants}
    for number in range(repeats):
        names = list(contestants) if number % 2 == 0 else list(contestants)[::-1]
        for name in names:
            for phase, elapsed in contestants[name]().items():
                seconds[name].setdefault(phase, []).append(elapsed)
    return seconds


def training_step(solve: Callable[[Map], Image], lam: Map, clean: Image) -> dict[str, float]:
    """Seconds of `forward` and `backward`, the latter down to the gradient in the map (or what `solve` takes)."""
    lam = lam.detach().requires_grad_()
    denoised: Image

    def forward() -> None:
        nonlocal denoised
        denoised = solve(lam)

    seconds = {"forward": mean_seconds(forward)}
    loss = (denoised - clean).square().mean()
    return seconds | {"backward": mean_seconds(lambda: torch.autograd.grad(loss, lam, retain_graph=True))}


def evaluation_step(solve: Callable[[Map], Image], lam: Map) -> dict[str, float]:
    """Seconds of `evaluation`: the forward pass when no gradient will be asked for."""
    with torch.no_grad():
        return {"evaluation": mean_seconds(lambda: solve(lam))}


def mean_seconds(run: Callable[[], object]) -> float:
    """Of as many runs as take 0.2 s together, one at least: one of milliseconds depends on the scheduler."""
    wait = torch.accelerator.synchronize if torch.accelerator.is_available() else None

    def run_to_its_end() -> None:
        run()
        if wait is not None:
            wait()

    runs, seconds = Timer(run_to_its_end).autorange()
    return seconds / runs


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Run with so many threads of torch, which is the number that the solvers go by."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
