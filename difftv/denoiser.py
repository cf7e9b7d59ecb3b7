"""The composition: a predictor in front of a solver."""

from pathlib import Path

from torch import Tensor, nn

from difftv.predictors.base import Predictor
from difftv.solvers.base import Solution, Solver
from difftv.types import Image


class Denoiser(nn.Module):
    """denoised = argmin_u 1/2 ||u - noisy||^2 + R_lam(u),   lam = predictor(noisy).

    The predictor runs wherever its parameters are, in their precision; the solver takes its tensors to the CPU in
    float64 and back (see `difftv.solvers.base`). `denoiser.to(device)` therefore moves the predictor only, and
    `state_dict` holds the predictor's weights and nothing else.

    Args:
        predictor: noisy image -> map.
        solver: (noisy image, map) -> Solution.

    Raises:
        ValueError: the predictor's number of maps is not the one that the solver's regularizer takes.
    """

    def __init__(self, predictor: Predictor, solver: Solver) -> None:
        super().__init__()
        wanted = solver.regularizer.num_maps
        if predictor.num_maps != wanted:
            raise ValueError(
                f"{type(predictor).__name__} predicts {predictor.num_maps} map(s), but the "
                f"{solver.regularizer.name} regularizer takes {wanted}. Construct the predictor with num_maps={wanted}."
            )
        self.predictor = predictor
        self.solver = solver

    @classmethod
    def load(cls, run: Path | str, solver: Solver | None = None) -> "Denoiser":
        """The denoiser of a run of `experiments/run.py`, on the CPU, with the weights of its best epoch.

            solution = Denoiser.load("outputs/demo/solver=scs-1c090ed80dbd")(noisy)

        An untrusted directory is safe to load: nothing in it can run code.

        Args:
            run: the run's directory; `checkpoint.pt` is all that is read.
            solver: what minimises, with the regularizer of the run. By default one that takes images of any size,
                whatever the run was trained with: `TautString`, which is exact, where it takes it, else `Admm`.

        Raises:
            CheckpointError: no usable checkpoint.
            ConfigError: the run names classes that are not of this package, or `solver` has another regularizer.
        """
        from difftv.models.stored import read_run

        stored = read_run(run)
        if solver is None:
            solver = stored.whole_image_solver()
        stored.check_solver(solver)
        return cls(stored.predictor(), solver).eval()

    @property
    def sigma_input(self) -> bool:
        """Whether the noise level is an input of the predictor."""
        return self.predictor.sigma_input

    def forward(self, noisy: Image, sigma: float | Tensor | None = None) -> Solution:
        """Denoise a batch of images.

        Args:
            noisy: (batch, 1, height, width), intensities nominally in [0, 1], on the predictor's device.
            sigma: noise standard deviation in 8-bit units, a number or one per image; to be given where, and only
                where, the predictor has the noise level as an input (`sigma_input`).

        Returns:
            Solution: `denoised` and `lam` on that device, differentiable, and what the solver reports.
        """
        return self.solver(noisy, self.predictor(noisy, sigma))

    def denoise(self, noisy: Image, sigma: float | Tensor) -> Solution:
        """Denoise images whose noise level is known, whether the predictor has it as an input or not.

        Args:
            noisy: as for a call.
            sigma: noise standard deviation in 8-bit units, a number or one per image.
        """
        return self(noisy, sigma if self.sigma_input else None)
