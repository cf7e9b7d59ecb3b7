"""What a search for the best constant maps has found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GridSearch:
    """The outcome of a search.

    Attributes:
        names: names of the numbers that were searched (`Regularizer.parameters`): lam; or lam1, lam2; or lam, gam.
        relative: for each of them, whether it was searched as a ratio to the first one.
        values: the best numbers for each problem (one problem for a set, one per image for the oracle).
        psnr: the PSNR that is reached there, in dB.
        curve: every (number, ..., psnr) that was tried, one list per problem, sorted.
    """

    names: tuple[str, ...]
    relative: tuple[bool, ...]
    values: tuple[tuple[float, ...], ...]
    psnr: tuple[float, ...]
    curve: tuple[tuple[tuple[float, ...], ...], ...]

    def named(self, problem: int = 0) -> dict[str, float]:
        """Name -> best value."""
        return dict(zip(self.names, self.values[problem], strict=True))
