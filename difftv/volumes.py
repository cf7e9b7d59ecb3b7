"""Volumes by a network for images: maps slice by slice, one minimisation over the whole volume."""

import inspect
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from difftv.arguments import not_negative, positive
from difftv.denoiser import Denoiser
from difftv.method import Method
from difftv.noise import GaussianNoise, Noise, as_noise
from difftv.progress import part
from difftv.regularizers import AnisotropicTV, Regularizer, TVpwL
from difftv.solvers.base import Solution, Solver
from difftv.solvers.registry import solver_for
from difftv.space import KINDS
from difftv.types import Image, Map

JOINED = 0.7
"""Best factor on the maps lam of three-dimensional problems: on a phantom of 28^3 voxels at sigma 15 `gray-small` gives
33.47 dB slice by slice, and with z_weight = 1 33.51, 34.42, 34.38 dB at factors 1, 0.7, 0.5."""


class SliceBySlice(Method):
    """A denoiser for images as a method for volumes, by `denoise_volume`: for training's comparisons and for tables.

    Args:
        denoiser: denoiser for gray images.
        z_weight: weight of differences across slices, as for `denoise_volume`.

    Raises:
        ValueError: its regularizer is for images only, or z_weight is below 0.
    """

    def __init__(self, denoiser: Denoiser, z_weight: float = 1.0) -> None:
        self.z_weight = not_negative("z_weight", z_weight)
        # Constant maps, which it is compared with, are those of volumes in any case.
        solver = volume_solver(denoiser.solver.regularizer, self.z_weight or 1.0)
        super().__init__(denoiser.predictor, solver, denoiser.sigma_range)
        self.denoiser = denoiser

    @property
    def map_names(self) -> tuple[str, ...]:
        """Names of the maps in a solution: those of images, where slices are not joined."""
        return super().map_names if self.z_weight else self.denoiser.map_names

    def denoise(self, noisy: Image, noise: Noise | float | Tensor, data_weight: Image | None = None) -> Solution:
        """Denoise volumes, without a gradient; `data_weight` must be None.

        Raises:
            ValueError: data_weight is given, or the noise is not white.
        """
        if data_weight is not None:
            raise ValueError("data_weight must be None: a volume is denoised slice by slice, each with the same noise.")
        slices = noisy.shape[2]
        white = as_noise(noise)
        if not isinstance(white, GaussianNoise) or (isinstance(white.sigma, Tensor) and white.sigma.ndim > 1):
            raise ValueError(f"noise must be white where slices are denoised one by one, got {noise}.")
        level = self.denoiser.told(noisy[:, :, 0], white.sigma)
        per_slice = level.repeat_interleave(slices) if isinstance(level, Tensor) and level.ndim else level
        return denoise_volume(self.denoiser, noisy, per_slice, z_weight=self.z_weight)


def joined_weight(spacing: Sequence[float]) -> float:
    """Weight of differences across slices for which a model of images minimises over voxels of that spacing, those
    within slices having about 1."""
    depth, height, width = spacing
    return (height + width) / 2 / depth


@torch.no_grad()
def denoise_volume(
    denoiser: Denoiser,
    noisy: Image,
    sigma: float | Tensor | None = None,
    *,
    z_weight: float = 1.0,
    scale: float | None = None,
) -> Solution:
    """Denoise volumes with a denoiser for images.

    The network sees every slice by itself. Its maps, of all slices together, weigh one problem over the volume, with
    differences across the slices besides:

        u* = argmin_u 1/2 ||u - noisy||^2 + sum over the axes of lam (|D u| - gam)_+,   D_d multiplied by z_weight,

    for the regularizer of the shipped models, and likewise for the others. Across slices lam and gam are the means of
    those of both directions within, where each has its own.

    Args:
        denoiser: denoiser for images, such as `Denoiser.pretrained("gray")`.
        noisy: (batch, channels, depth, height, width), intensities nominally in [0, 1].
        sigma: noise standard deviation in 8-bit units, where the network takes it; or one per slice of all volumes.
        z_weight: weight of differences across slices, >= 0: 1 for voxels of equal sides, (spacing within the slices) /
            (spacing across) for others; 0 denoises every slice by itself.
        scale: factor on the maps lam, > 0. None: 0.7 where slices are joined, as less is enough where neighbours across
            slices average as well, and 1 where they are not.

    Returns:
        Solution, without a gradient, with `lam` the maps of the volume. With z_weight = 0 the slices are images of the
        solution joined: `gap` is the largest of each volume, `iterations` likewise.

    Raises:
        ValueError: another number of dimensions, a regularizer for images only, a z_weight below 0, or a denoiser of
            several looks.
    """
    if noisy.ndim != 5 or 0 in noisy.shape:
        raise ValueError(f"noisy must have shape (batch, channels, depth, height, width), got {tuple(noisy.shape)}.")
    if denoiser.predictor.axes != 2:
        raise ValueError(
            f"denoiser must be one for images, and this one is for {KINDS[denoiser.predictor.axes]}: call it itself."
        )
    if denoiser.looks > 1:
        raise ValueError(
            f"denoiser must look once, this one looks {denoiser.looks} times: call it itself, slice by slice."
        )
    weight = not_negative("z_weight", z_weight)
    factor = (JOINED if weight > 0 else 1.0) if scale is None else positive("scale", scale)
    batch, channels, depth, *plane = noisy.shape
    slices = noisy.transpose(1, 2).reshape(batch * depth, channels, *plane)
    denoiser.check(slices)
    with part(0.0, 0.5):
        maps = _maps(denoiser, slices, sigma)
    own = denoiser.solver.regularizer
    for channel, spec in enumerate(own.maps):
        if spec.parameter != "gam":
            maps[:, channel] *= factor
    with part(0.5, 1.0):
        if weight == 0:
            return _joined(denoiser.solver(slices, maps), batch, depth)
        solver = volume_solver(own, weight)
        volume = maps.reshape(batch, depth, -1, *plane).transpose(1, 2)
        return solver(noisy, _with_depth(volume, own, solver.regularizer))


def _maps(denoiser: Denoiser, slices: Image, sigma: float | Tensor | None) -> Map:
    """One slice after the other: a network takes a hundred times the memory of what it sees."""
    seen = denoiser.in_precision(slices)
    levels = sigma.reshape(-1, 1) if isinstance(sigma, Tensor) and sigma.ndim else [sigma] * len(seen)
    parts = [denoiser.predictor(one, level) for one, level in zip(seen.split(1), levels, strict=True)]
    return torch.cat(parts).to(dtype=slices.dtype)


def volume_solver(regularizer: Regularizer, z_weight: float = 1.0) -> Solver:
    """The solver of volumes for a regularizer of images; arguments and errors of `of_volume`."""
    joined = of_volume(regularizer, z_weight)
    return solver_for(joined)(joined)


def of_volume(regularizer: Regularizer, z_weight: float = 1.0) -> Regularizer:
    """The same regularizer for volumes, differences along the depth multiplied by `z_weight` > 0.

    Raises:
        ValueError: it is for images only.
    """
    kind: Callable[..., Regularizer] = type(regularizer)
    options = inspect.signature(kind).parameters
    if "axes" not in options or regularizer.axes != 2:
        raise ValueError(f"{regularizer.name} is not for volumes: take anisotropic, isotropic, huber, tvpwl or tgv.")
    arguments = {name: getattr(regularizer, name) for name in ("channels", "delta", "bounds") if name in options}
    if isinstance(regularizer, AnisotropicTV | TVpwL):
        arguments["num_maps"] = regularizer.num_maps
        if _per_direction(regularizer):
            arguments["num_maps"] += regularizer.num_maps // 2
    return kind(**arguments, axes=3, spacing=(1 / z_weight, *regularizer.spacing))


def _per_direction(regularizer: Regularizer) -> bool:
    return len(regularizer.terms[0].lam) > 1


def _with_depth(maps: Map, regularizer: Regularizer, volume: Regularizer) -> Tensor:
    """The maps of the volume: those across slices, where each direction has its own, before those within."""
    if not _per_direction(regularizer):
        return maps
    groups = maps.chunk(volume.num_maps // volume.axes, dim=1)
    return torch.cat([part for group in groups for part in (group.mean(dim=1, keepdim=True), group)], dim=1)


def _joined(found: Solution, batch: int, depth: int) -> Solution:
    def volume(values: Tensor) -> Tensor:
        return values.reshape(batch, depth, *values.shape[1:]).transpose(1, 2)

    return Solution(
        denoised=volume(found.denoised),
        lam=volume(found.lam),
        gap=found.gap.reshape(batch, depth).amax(1),
        iterations=found.iterations.reshape(batch, depth).amax(1),
        converged=found.converged.reshape(batch, depth).all(1),
        seconds=found.seconds,
    )
