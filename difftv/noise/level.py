"""The noise level `sigma` in 8-bit units, one number or a range: checked here and nowhere else."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from difftv.arguments import is_number

EIGHT_BIT_RANGE = 255.0
"""`noise_std` = `sigma` / 255: sigma is in 8-bit units, noise_std in those of images in [0, 1]."""


def checked_sigma(value: float, name: str = "sigma") -> float:
    """The value itself; a NumPy number as Python's.

    Raises:
        ValueError: not a finite number above 0.
    """
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a positive number in 8-bit units (15, 25 and 50 are usual), got {value!r}.")
    return value if type(value) in (int, float) else float(value)


KINDS = {
    "gaussian": "white Gaussian",
    "poisson_gaussian": "Poisson-Gaussian",
    "poisson": "Poisson",
    "correlated": "correlated Gaussian",
}
"""Kinds of noise by their word on the command line, as one writes them."""


def described_noise(kind: str, values: Mapping[str, float | Sequence[float]]) -> str:
    """A noise in words: `Poisson-Gaussian noise, gain 0.01 to 0.05, sigma 5`.

    Args:
        kind: word on the command line, or the name of a class of one's own.
        values: argument -> number, or the two ends of a range; others than gain, sigma and width are left out where
            they are 0.
    """
    shown = {
        name: f"{value[0]:g} to {value[1]:g}" if isinstance(value, Sequence) else f"{value:g}"
        for name, value in values.items()
        if name in ("gain", "sigma", "width") or value != 0
    }
    numbers = ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in sorted(shown.items()))
    return f"{KINDS.get(kind, kind)} noise, {numbers}"


@dataclass(frozen=True)
class SigmaRange:
    """Noise levels of a run: from `low` to `high` in 8-bit units; one number is a range of that number alone."""

    low: float
    high: float

    @classmethod
    def of(cls, sigma: float | Sequence[float]) -> "SigmaRange":
        """The range that a number, or a pair of numbers in ascending order, stands for.

        Raises:
            ValueError: neither a positive number nor two of them in ascending order.
        """
        if not isinstance(sigma, Sequence) or isinstance(sigma, str):
            level = checked_sigma(sigma)
            return cls(level, level)
        if len(sigma) != 2:
            raise ValueError(f"sigma must be one number or a range of two, such as [5, 55], got {list(sigma)!r}.")
        low, high = map(checked_sigma, sigma)
        if not low < high:
            raise ValueError(f"sigma must be a range from low to high, such as [5, 55], got {list(sigma)!r}.")
        return cls(float(low), float(high))

    @property
    def several(self) -> bool:
        """Whether it holds more than one level."""
        return self.low < self.high

    @property
    def middle(self) -> float:
        """The level at which a run that was trained on the range is evaluated."""
        return (self.low + self.high) / 2 if self.several else self.low

    @property
    def pair(self) -> tuple[float, float]:
        """(low, high) as floats."""
        return float(self.low), float(self.high)

    def nearest(self, level: float) -> float:
        """The level of the range that is nearest."""
        return min(max(level, self.low), self.high)

    def draw(self, word: int) -> float:
        """A level of the range, uniform where `word` is a uniform 64-bit integer."""
        low, high = self.pair
        return low + (high - low) * (word / 2**64)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" if self.several else f"{self.low:g}"
