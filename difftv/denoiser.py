"""The composition: a predictor in front of a solver."""

import warnings
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from difftv.errors import NoiseLevelWarning
from difftv.images import check_images, warn_outside_unit_range
from difftv.missing import fill_missing
from difftv.noise import GaussianNoise, Noise, SigmaRange, as_noise
from difftv.noise.level import EIGHT_BIT_RANGE
from difftv.predictors.base import Predictor
from difftv.predictors.self_ensemble import SelfEnsemble
from difftv.progress import part
from difftv.solvers.admm import Admm
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
        sigma_range: the least and the largest noise level that the predictor was trained for, in 8-bit units; other
            levels are taken with a `NoiseLevelWarning`. None where that is not known.

    Raises:
        ValueError: the predictor's number of maps, or of channels, is not the one that the solver's regularizer takes.
    """

    def __init__(self, predictor: Predictor, solver: Solver, sigma_range: tuple[float, float] | None = None) -> None:
        super().__init__()
        wanted = solver.regularizer.num_maps
        if predictor.num_maps != wanted:
            raise ValueError(
                f"{type(predictor).__name__} predicts {predictor.num_maps} map(s), but the "
                f"{solver.regularizer.name} regularizer takes {wanted}. Construct the predictor with num_maps={wanted}."
            )
        channels = solver.regularizer.channels
        if predictor.channels != channels:
            raise ValueError(
                f"{type(predictor).__name__} takes images of {predictor.channels} channel(s), but the "
                f"{solver.regularizer.name} regularizer those of {channels}. Construct both with the same channels."
            )
        self.predictor = predictor
        self.solver = solver
        self.sigma_range = sigma_range

    @classmethod
    def pretrained(cls, name: str, solver: Solver | None = None) -> "Denoiser":
        """A denoiser that is shipped with this package, on the CPU; `difftv.list_pretrained()` has the names.

            solution = Denoiser.pretrained("gray")(noisy, sigma=25)

        Args:
            name: of the model.
            solver: as for `load`.

        Raises:
            ValueError: no model of that name is shipped (the message lists those that are), or `solver` has another
                regularizer.
            CheckpointError: its file is damaged.
        """
        from difftv.models.pretrained import shipped_file

        return cls.load(shipped_file(name), solver)

    @classmethod
    def load(
        cls, path: Path | str, solver: Solver | None = None, network: Callable[..., nn.Module] | None = None
    ) -> "Denoiser":
        """The denoiser of a run of `experiments/run.py`, or of a model file of `experiments/export.py`, on the CPU.

            solution = Denoiser.load("outputs/demo/solver=scs-1c090ed80dbd")(noisy)
            solution = Denoiser.load("mine.safetensors")(noisy)

        An untrusted directory or file is safe to load: nothing in it can run code.

        Args:
            path: the run's directory, of which `checkpoint.pt` with the weights of its best epoch is enough; or the
                model file.
            solver: what minimises, with the regularizer of the run. By default one that takes images of any size,
                whatever the run was trained with: `Exact`, which is exact, where it takes it, else `Admm`.
            network: class of the network that was trained, where it is none of this package (`Predictor`). A file
                cannot have a class of its choice constructed: it decides the arguments of this one.

        Raises:
            CheckpointError: no usable checkpoint or model file.
            ConfigError: it names classes that are not of this package, or another network than `network`, or `solver`
                has another regularizer.
        """
        from difftv.lab.models.reading import read_model

        return cls(*read_model(path).denoiser_parts(solver, network)).eval()

    def self_ensemble(self) -> "Denoiser":
        """The same denoiser with maps averaged over the image turned and mirrored in all eight ways.

            solution = Denoiser.pretrained("gray").self_ensemble()(noisy, sigma=25)

        About 0.1 dB for eight times the time in the network; one minimisation, as before. The weights are shared.
        """
        return Denoiser(SelfEnsemble(self.predictor, self.solver.regularizer), self.solver, self.sigma_range)

    @property
    def colour(self) -> bool:
        """Whether it takes RGB images, whose channels the regularizer couples."""
        return self.predictor.channels == 3

    @property
    def sigma_input(self) -> bool:
        """Whether the noise level is an input of the predictor."""
        return self.predictor.sigma_input

    def forward(self, noisy: Image, sigma: float | Tensor | None = None, data_weight: Image | None = None) -> Solution:
        """Denoise a batch of images.

        Args:
            noisy: (batch, channels, height, width), intensities nominally in [0, 1], on the predictor's device.
            sigma: noise standard deviation in 8-bit units, a number or one per image; to be given where, and only
                where, the predictor has the noise level as an input (`sigma_input`).
            data_weight: weight of every pixel in the data term, shaped like `noisy`, smaller = smoother, 0 = missing
                pixel, see `Solver`; solved by `Admm` where the denoiser's solver takes none. The predictor sees the
                image as it is, with local means at missing pixels.

        Returns:
            Solution: `denoised` and `lam` on that device, differentiable, and what the solver reports.
        """
        check_images(noisy)
        if self.sigma_range is not None:
            warn_outside_unit_range(noisy, "the predictor was trained on", stacklevel=2)
        seen = noisy if data_weight is None else fill_missing(noisy, data_weight.expand(noisy.shape) > 0)
        with part(0.0, 0.5):
            # In the precision of the network; the image is solved in its own.
            first = next(self.predictor.parameters(), seen)
            maps = self.predictor(seen.to(dtype=first.dtype), sigma).to(dtype=noisy.dtype)
        if sigma is not None:
            self._warn_outside(sigma)
        with part(0.5, 1.0):
            return self._solver(data_weight)(noisy, maps, data_weight)

    def _solver(self, data_weight: Image | None) -> Solver:
        """The solver, or a batched one of the same problem where that takes no data weight."""
        if data_weight is None or self.solver.takes_weights:
            return self.solver
        return Admm(self.solver.regularizer)

    def denoise(self, noisy: Image, noise: Noise | float | Tensor, data_weight: Image | None = None) -> Solution:
        """Denoise images whose noise is known, whether the predictor has it as an input or not.

        Args:
            noisy: as for a call.
            noise: noise of the images; a number or a tensor stands for white Gaussian noise of that standard deviation
                in 8-bit units, one or one per image.
            data_weight: as for a call.
        """
        noise = as_noise(noise)
        sigma = noise.sigma if isinstance(noise, GaussianNoise) else EIGHT_BIT_RANGE * noise.std_per_image(noisy)
        if self.sigma_input:
            return self(noisy, sigma, data_weight)
        self._warn_outside(sigma)
        return self(noisy, None, data_weight)

    def _warn_outside(self, sigma: float | Tensor) -> None:
        if self.sigma_range is None:
            return
        low, high = self.sigma_range
        least, largest = (sigma, sigma) if not isinstance(sigma, Tensor) else (float(sigma.min()), float(sigma.max()))
        # Levels may have been rounded to single precision.
        if least < low * (1 - 1e-6) or largest > high * (1 + 1e-6):
            given, trained = SigmaRange(least, largest), SigmaRange(low, high)
            warnings.warn(
                f"sigma is {given}, but the predictor was trained for {trained} (8-bit units): results may be worse "
                "than at the trained levels.",
                NoiseLevelWarning,
                stacklevel=3,
            )
