"""The composition: a predictor in front of a solver."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from difftv.arguments import boolean, positive_int
from difftv.errors import ConfigError
from difftv.method import Method, check_pair
from difftv.missing import fill_missing
from difftv.noise import Noise, as_noise, as_white
from difftv.predictors.base import Predictor
from difftv.predictors.self_ensemble import SelfEnsemble
from difftv.problem import DataTerm
from difftv.progress import part
from difftv.solvers.base import Solution, Solver
from difftv.solvers.registry import solver_taking
from difftv.types import Image


class Denoiser(Method):
    """denoised = argmin_u 1/2 ||u - noisy||^2 + R_lam(u),   lam = predictor(noisy).

    The predictor runs wherever its parameters are, in their precision; the solver takes its tensors to the CPU in
    float64 and back (see `difftv.solvers.base`). `denoiser.to(device)` therefore moves the predictor only, and
    `state_dict` holds the predictor's weights and nothing else.

    Args:
        predictor: noisy image -> map.
        solver: (noisy image, map) -> Solution.
        sigma_range: the least and the largest noise level that the predictor was trained for, in 8-bit units; other
            levels are taken with a `NoiseLevelWarning`. None where that is not known.
        stabilise: treatment of noise that grows with the signal in `denoise`. True: the images go through the
            generalised Anscombe transform, which makes it white, and back. False: the data term is weighted by
            1 / variance, and the predictor is told the standard deviation of every pixel, where it takes one.
        looks: number of times that the predictor looks, >= 1: first at the noisy image, then at the solution so far,
            whose maps are predicted anew; every look costs one more solve. Gradients go through all of them.

    Raises:
        ValueError: the predictor's number of maps, of channels or of axes is not that of the solver's regularizer; or
            looks < 1.
    """

    def __init__(
        self,
        predictor: Predictor,
        solver: Solver,
        sigma_range: tuple[float, float] | None = None,
        stabilise: bool = True,
        looks: int = 1,
    ) -> None:
        check_pair(predictor, solver)
        super().__init__(predictor, solver, sigma_range)
        self.stabilise = boolean("stabilise", stabilise)
        self.looks = positive_int("looks", looks)

    @classmethod
    def pretrained(cls, name: str, solver: Solver | None = None) -> "Denoiser":
        """A denoiser that is shipped with this package, on the CPU; `difftv.list_pretrained()` has the names.

            solution = Denoiser.pretrained("gray")(noisy, sigma=25)

        Args:
            name: name of the model.
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
            solver: solver to use, with the regularizer of the run. By default one that takes images of any size,
                whatever the run was trained with: `Exact`, which is exact, where it takes it, else `Admm`.
            network: class of the network that was trained, where it is none of this package (`Predictor`). A file
                cannot have a class of its choice constructed: it decides the arguments of this one.

        Raises:
            CheckpointError: no usable checkpoint or model file.
            ConfigError: it predicts no maps (`NetworkDenoiser`); or it was trained behind a forward operator
                (`Reconstructor`); or names classes that are not of this package, or
                another network than `network`; or `solver` has another regularizer.
        """
        from difftv.lab.models.reading import read_model

        stored = read_model(path)
        if stored.forward is not None:
            raise ConfigError(
                f"{path} was trained behind a forward operator ({stored.forward}) and sees no noisy images: load it "
                "with Reconstructor.load, and give it measurements and their operator."
            )
        found = stored.denoiser(solver, network)
        if not isinstance(found, Denoiser):
            raise ConfigError(f"{path} predicts the image and no maps: load it with {type(found).__name__}.load.")
        return found

    def self_ensemble(self) -> "Denoiser":
        """The same denoiser with maps averaged over the image turned and mirrored in all eight ways.

            solution = Denoiser.pretrained("gray").self_ensemble()(noisy, sigma=25)

        About 0.1 dB for eight times the time in the network; one minimisation, as before. The weights are shared.
        """
        ensemble = SelfEnsemble(self.predictor, self.solver.regularizer)
        return Denoiser(ensemble, self.solver, self.sigma_range, self.stabilise, self.looks)

    def forward(self, noisy: Image, sigma: float | Tensor | None = None, data_weight: Image | None = None) -> Solution:
        """Denoise a batch of images.

        Args:
            noisy: (batch, channels, *space), intensities nominally in [0, 1], on the predictor's device.
            sigma: noise standard deviation in 8-bit units, a number or one per image; to be given where, and only
                where, the predictor has the noise level as an input (`sigma_input`).
            data_weight: weight of every pixel in the data term, shaped like `noisy`, smaller = smoother, 0 = missing
                pixel, see `Solver`; solved by `Admm` where the denoiser's solver takes none. The predictor sees the
                image as it is, with local means at missing pixels.

        Returns:
            Solution: `denoised` and `lam` on that device, differentiable, and what the solver reports.
        """
        self.check(noisy)
        if sigma is not None and self.sigma_input:
            self.warn_outside(sigma)
        return self._solved(noisy, sigma, data_weight)

    def denoise(self, noisy: Image, noise: Noise | float | Tensor, data_weight: Image | None = None) -> Solution:
        """Denoise images whose noise is known, whether the predictor has it as an input or not.

        Args:
            noisy: as for a call.
            noise: noise of the images; a number or a tensor stands for white Gaussian noise of that standard deviation
                in 8-bit units, one or one per image. Noise that grows with the signal (`PoissonGaussian`) is
                transformed or weighted, see `stabilise`; the maps of transformed images are in units in which their
                range is 1. A standard deviation that differs between the pixels for another reason is a data weight.
            data_weight: as for a call.
        """
        self.check(noisy)
        white = as_white(noisy, as_noise(noise), data_weight, stabilise=self.stabilise)
        told = self.told(white.images, white.sigma, warns=white.images is noisy)
        solution = self._solved(white.images, told, white.data_weight, white.map_factor)
        return replace(solution, denoised=white.restored(solution.denoised))

    def _solved(
        self,
        noisy: Image,
        sigma: float | Tensor | None,
        data_weight: Image | None,
        map_factor: Image | None = None,
    ) -> Solution:
        seen = noisy if data_weight is None else fill_missing(noisy, data_weight.expand(noisy.shape) > 0)
        for look in range(self.looks):
            with part(look / self.looks, (look + 1) / self.looks):
                solution = self._looked(seen, noisy, sigma, data_weight, map_factor)
            seen = solution.denoised
        return solution

    def _looked(
        self,
        seen: Image,
        noisy: Image,
        sigma: float | Tensor | None,
        data_weight: Image | None,
        map_factor: Image | None,
    ) -> Solution:
        """The solution with the maps of one look, at `seen`."""
        with part(0.0, 0.5):
            maps = self.predictor(self.in_precision(seen), sigma).to(dtype=noisy.dtype)
        if map_factor is not None and sigma is not None:
            weights = self.solver.regularizer.weight_channels
            scaled = [maps[:, [i]] * (map_factor if i in weights else 1) for i in range(maps.shape[1])]
            maps = torch.cat(scaled, dim=1)
        with part(0.5, 1.0):
            weighs = data_weight is not None
            solver = solver_taking(self.solver, DataTerm(noisy, weight=data_weight)) if weighs else self.solver
            return solver(noisy, maps, data_weight)
