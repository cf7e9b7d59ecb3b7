"""The noise of a run: one kind, with numbers or ranges of them that every training patch draws its own from."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from difftv.arguments import is_number
from difftv.noise.base import Noise, arguments_of, weight_of
from difftv.noise.gaussian import GaussianNoise
from difftv.noise.level import SigmaRange, described_noise
from difftv.noise.named import BY_NAME

SIGMA = "sigma"
"""The argument that is a key of its own in configurations."""


@dataclass(frozen=True)
class NoiseRange:
    """Noises of one kind whose arguments lie between bounds.

    Attributes:
        kind: class of the noise, called with one number per argument.
        ranges: argument -> its least and largest value; equal where it is one number. `sigma` first.
    """

    kind: Callable[..., Noise]
    ranges: Mapping[str, SigmaRange]

    @classmethod
    def of(
        cls,
        sigma: "NoiseRange | float | Sequence[float] | None",
        kind: Callable[..., Noise] = GaussianNoise,
        arguments: Mapping[str, float | Sequence[float]] | None = None,
    ) -> "NoiseRange":
        """The range that numbers, or pairs of numbers in ascending order, stand for.

        Args:
            sigma: the argument `sigma` of the noise, in 8-bit units; 0 or None for a kind without one. A `NoiseRange`
                is returned as it is.
            kind: class of the noise.
            arguments: its other arguments.

        Raises:
            ValueError: a value is neither a number nor a range of two, or none that the kind takes.
        """
        if isinstance(sigma, NoiseRange):
            return sigma
        given = dict(arguments or {})
        parameters = inspect.signature(kind).parameters
        if SIGMA in parameters:
            given = {SIGMA: 0.0 if sigma is None else sigma, **given}
        elif sigma is not None and sigma != 0:
            raise ValueError(
                f"sigma must be 0, got {sigma!r}: {kind.__name__} noise has no Gaussian part. Take "
                "noise=poisson_gaussian."
            )
        found = cls(kind, {name: _range(kind, name, value) for name, value in given.items()})
        for noise in (found._at(lambda each: each.low), found._at(lambda each: each.high)):
            assert isinstance(noise, Noise)
        return found

    @property
    def several(self) -> bool:
        """Whether it holds more than one noise."""
        return any(each.several for each in self.ranges.values())

    @property
    def white(self) -> bool:
        """Whether it is white Gaussian noise."""
        return self.kind is GaussianNoise

    @property
    def varies(self) -> bool:
        """Whether the noise differs between the pixels of an image."""
        ramp = torch.linspace(0, 1, 16, device="cpu").reshape(1, 1, 4, 4)
        return weight_of(self.middle.std_of_noisy(ramp), ramp) is not None

    @property
    def told(self) -> bool:
        """Whether a predictor has the noise as an input: where it is not one number that training has seen."""
        return self.several or self.varies

    @property
    def middle(self) -> Noise:
        """The noise at which a run that was trained on the range is evaluated."""
        return self._at(lambda each: each.middle)

    @property
    def sigma(self) -> SigmaRange | None:
        """The range of sigma of white Gaussian noise; None of other noise."""
        return self.ranges[SIGMA] if self.white else None

    @property
    def words(self) -> int:
        """Uniform 64-bit integers that `draw` takes besides the first: one per argument with a range, but sigma."""
        return sum(each.several for name, each in self.ranges.items() if name != SIGMA)

    def draw(self, word: int, others: Sequence[int] = ()) -> Noise:
        """A noise of the range, its arguments uniform and independent where the words are.

        Args:
            word: uniform 64-bit integer that chooses sigma.
            others: such integers for the other arguments with a range, in their order.
        """
        left = iter(others)
        drawn = {
            name: each.draw(word if name == SIGMA else next(left)) if each.several else each.low
            for name, each in self.ranges.items()
        }
        return self.kind(**drawn)

    def plain(self) -> dict[str, float | list[float]]:
        """The arguments as a configuration states them."""
        return {name: list(each.pair) if each.several else each.low for name, each in self.ranges.items()}

    @property
    def name(self) -> str:
        """Word of the kind on the command line; of one's own the name of the class."""
        return next(
            (name for name, kind in BY_NAME.items() if kind is self.kind), getattr(self.kind, "__name__", "own")
        )

    def __str__(self) -> str:
        return f"sigma {self.sigma}" if self.sigma is not None else described_noise(self.name, self.plain())

    def _at(self, value: Callable[[SigmaRange], float]) -> Noise:
        return self.kind(**{name: value(each) for name, each in self.ranges.items()})


def range_of(noise: Noise) -> NoiseRange:
    """The range of one noise alone, whose arguments are numbers."""
    return NoiseRange(type(noise), {name: SigmaRange(value, value) for name, value in arguments_of(noise).items()})


def _range(kind: Callable[..., Noise], name: str, value: float | Sequence[float]) -> SigmaRange:
    """Numbers are checked by the kind."""
    if name == SIGMA and kind is GaussianNoise:
        return SigmaRange.of(value)
    if is_number(value):
        return SigmaRange(value, value)
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    if len(numbers) != 2 or not all(map(is_number, numbers)) or not numbers[0] < numbers[1]:
        raise ValueError(f"{name} must be one number or a range from low to high of two, got {value!r}.")
    return SigmaRange(float(numbers[0]), float(numbers[1]))
