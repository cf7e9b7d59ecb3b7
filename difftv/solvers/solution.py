"""What a solver answers."""

from dataclasses import dataclass, field

from difftv.solvers.bridge import SolveTime
from difftv.types import CountPerImage, Fields, FlagPerImage, Image, Map, PerImage


@dataclass(frozen=True)
class Solution:
    """What a solver answers, one entry per image of the batch.

    Attributes:
        denoised: the minimiser u*, on the device and in the dtype of the noisy image, differentiable.
        lam: the maps it was solved with.
        gap: relative duality gap (see `relative_gap`), detached float64 on the CPU.
        iterations: iterations that the backend took.
        converged: whether the backend reached its tolerance.
        auxiliary: the auxiliary field v of a regularizer that has one, (batch, 2, height, width) (two for every channel
            of the image), detached, else None.
        seconds: time spent in the solver; its `backward` is filled in when the gradient is computed.
    """

    denoised: Image
    lam: Map
    gap: PerImage
    iterations: CountPerImage
    converged: FlagPerImage
    auxiliary: Fields | None = None
    seconds: SolveTime = field(default_factory=SolveTime, compare=False)

    @property
    def maps(self) -> Map:
        """The maps it was solved with."""
        return self.lam


@dataclass(frozen=True)
class RawSolution:
    """What a solver's `solve` returns: u* (differentiable) and v where it works, the facts about them on the CPU."""

    u: Image
    gap: PerImage
    iterations: CountPerImage
    converged: FlagPerImage
    auxiliary: Fields | None = None
