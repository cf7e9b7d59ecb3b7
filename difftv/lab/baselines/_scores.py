"""The PSNR of images that are denoised with constant maps."""

import logging
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from difftv.errors import SolverError
from difftv.lab.baselines.cheaper import loosened
from difftv.lab.data import EvaluationItem, EvaluationItems
from difftv.lab.data.evaluation import measurements, noise_of
from difftv.metrics import psnr
from difftv.noise import Noise, as_white
from difftv.problem import DataTerm
from difftv.solvers.base import Solver
from difftv.solvers.registry import solver_taking
from difftv.types import Image, Map

log = logging.getLogger(__name__)

Numbers = tuple[float, ...]
"""One value per name in `Regularizer.parameters`."""


class Scores:
    """The PSNR of every image at numbers of its own.

    Args:
        solver: solves with the regularizer that the learned maps are used with.
        items: the images.
        batch_size: images solved at a time, >= 1.
        device: device of the run; a solver that works elsewhere (the CPU) is given its images there.
        stabilise: treatment of noise that is not white, see `Denoiser`.
    """

    def __init__(
        self,
        solver: Solver,
        items: EvaluationItems,
        batch_size: int,
        device: torch.device | str = "cpu",
        stabilise: bool = True,
    ) -> None:
        self.stabilise = stabilise
        self.solver = solver
        self.items = items
        self.batch_size = batch_size
        self.device = solver.workplace.device_for(device)

    def per_image(self, numbers: Sequence[Numbers | None]) -> list[float]:
        """One PSNR per image in dB; -inf where the solver gave no answer or there are no numbers to try."""
        values: list[float] = []
        with torch.no_grad():
            for group in self.items.batches(self.batch_size):
                wanted = numbers[len(values) : len(values) + len(group)]
                asked = [index for index, entry in enumerate(wanted) if entry is not None]
                found = torch.full((len(group),), -math.inf, dtype=torch.float64, device="cpu")
                if asked:
                    found[asked] = self._group(
                        [group[index] for index in asked], [entry for entry in wanted if entry is not None]
                    )
                values += found.tolist()
        return values

    def mean(self, numbers: Numbers) -> float:
        """The mean PSNR over the images, all with the same numbers."""
        scores = self.per_image([numbers] * len(self.items))
        return torch.tensor(scores, dtype=torch.float64, device="cpu").mean().item()

    def _group(self, group: Sequence[EvaluationItem], numbers: Sequence[Numbers]) -> Tensor:
        clean, noisy = (torch.cat([getattr(item, name) for item in group]) for name in ("reference", "noisy"))
        constants = [self.solver.regularizer.constants(entry) for entry in numbers]
        maps = torch.tensor(constants, dtype=torch.float64, device="cpu").to(noisy.dtype)
        maps = maps.reshape(*maps.shape, *[1] * (noisy.ndim - 2)).expand(-1, -1, *noisy.shape[2:])
        maps, measured = maps.to(self.device), measurements(group, self.device)
        try:
            if measured is None:
                denoised = self._denoised(noisy.to(self.device), maps, noise_of(group, self.device))
            else:
                denoised = self.solver(measured.data, maps, operator=measured.operator).denoised
            return psnr(denoised.cpu(), clean).double()
        except SolverError as error:
            if len(group) > 1:
                return torch.cat([self._group([item], numbers[i : i + 1]) for i, item in enumerate(group)])
            names = self.solver.regularizer.parameters
            tried = ", ".join(f"{name} = {value:.3g}" for name, value in zip(names, numbers[0], strict=True))
            log.warning("%s: no answer on %s, excluded from the search: %s", tried, group[0].name, error)
            return torch.tensor([-math.inf], dtype=torch.float64, device="cpu")

    def _denoised(self, noisy: Image, maps: Map, noise: Noise | Tensor) -> Image:
        if not isinstance(noise, Noise):
            return self.solver(noisy, maps).denoised
        white = as_white(noisy, noise, stabilise=self.stabilise)
        solver = self.solver
        if white.data_weight is not None:
            solver = loosened(solver_taking(solver, DataTerm(white.images, weight=white.data_weight)))
        return white.restored(solver(white.images, maps, white.data_weight).denoised)
