"""Stacks of pages and volumes on the command line: page by page, or as one volume with `--axes 3`."""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from difftv.arguments import not_negative
from difftv.denoiser import Denoiser
from difftv.errors import ConfigError, DataError, MissingDependencyError
from difftv.files import write_atomically
from difftv.lab.cli.noise_level import estimated_sigma
from difftv.lab.cli.output_paths import Targets
from difftv.lab.imagefiles.volumes import VolumeFile, read_volume, scale_of
from difftv.memory import available_memory
from difftv.models.stored import StoredModel
from difftv.printing import print_safely, printable
from difftv.progress import watched
from difftv.solvers.base import Solver
from difftv.space import checked_spacing
from difftv.volumes import denoise_volume, joined_weight, volume_solver

BYTES_PER_VOXEL = 560
"""Peak memory of a volume whose solver does not say what it needs."""

BYTES_PER_VOXEL_OF_PAGES = 120
"""Of pages that are solved one by one: the maps and images of all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--axes, --spacing and --z-weight."""
    parser.add_argument(
        "--axes",
        type=int,
        choices=(2, 3),
        default=2,
        help="3: a file of several pages (TIFF, NIfTI, .npy) is one volume; 2 (default): every page is an image",
    )
    parser.add_argument(
        "--spacing",
        help="distance of voxels along depth, height and width, as 2,0.5,0.5 (default: what the file says, else 1,1,1)",
    )
    parser.add_argument(
        "--z-weight",
        type=float,
        help="weight of differences across slices with --axes 3 (default: spacing within slices over that across)",
    )


def denoise_stack(
    denoiser: Denoiser, stored: StoredModel, options: argparse.Namespace, path: Path, targets: Targets, *, draws: bool
) -> str:
    """Write the denoised file and, where a picture can be drawn, three slices; say in a line what was done.

    Raises:
        DataError: the file holds no gray volume, or the memory does not suffice.
        ConfigError: the spacing or the weight is none, or the model is one for colours.
    """
    started = time.perf_counter()
    if denoiser.colour:
        raise ConfigError("a volume is gray, and the model is for colours: take another one")
    if denoiser.predictor.axes == 1:
        raise ConfigError("the model is for signals: call it in Python, or take another one")
    whole = denoiser.predictor.axes == 3
    if whole and options.axes != 3:
        raise ConfigError("the model is for volumes: add --axes 3 if the file is one, or take a model for images")
    if whole and options.z_weight is not None:
        raise ConfigError("--z-weight is for models of images, and the model is for volumes: leave it out")
    volume = read_volume(path)
    spacing = _spacing(options, volume)
    weight = _weight(options, spacing) if options.axes == 3 else 0.0
    if whole:
        _compare_spacing(path, spacing, denoiser.solver.regularizer.spacing)
    _check_memory(path, volume, _solver_of(denoiser, weight) if weight > 0 else None)
    low, span = _scale(path, volume, options.white_level)
    noisy = torch.from_numpy(((volume.values - low) / span).astype(np.float32))
    sigma = None
    if denoiser.sigma_input:
        sigma = options.sigma or stored.sigma or _estimated(noisy, stored, path)
    device = next(denoiser.parameters()).device
    bar = tqdm(total=1.0, desc=printable(path.name), leave=False, disable=None, bar_format=_BAR)
    with bar, watched(lambda share: bar.update(share - bar.n)):
        seen = noisy[None, None].to(device)
        with torch.no_grad():
            found = denoiser(seen, sigma) if whole else denoise_volume(denoiser, seen, sigma, z_weight=weight)
    denoised = found.denoised[0, 0].cpu().double().numpy() * span + low
    write_atomically(targets.denoised, volume.encode(_as_file(denoised, volume.values.dtype)))
    drawn = draws and _draw(noisy.numpy(), found.denoised[0, 0].cpu().numpy(), path, targets.picture, spacing)
    joined = f"one volume, weight across slices {weight:.3g}" if weight > 0 else "page by page"
    manner = "one volume" if whole else joined
    words = f"{volume}, {manner}, {time.perf_counter() - started:.1f} s"
    if not bool(found.converged.all()):
        words += f", NOT CONVERGED (relative gap {float(found.gap.max()):.1e})"
    return f"{words} -> {targets.denoised}" + (f", {targets.picture.name}" if drawn else "")


_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


def _spacing(options: argparse.Namespace, volume: VolumeFile) -> tuple[float, ...]:
    """Distance of voxels along the three axes: as given, else as the file says, else 1."""
    if options.spacing is None:
        return volume.spacing or (1.0, 1.0, 1.0)
    try:
        return checked_spacing([float(word) for word in options.spacing.split(",")], 3)
    except ValueError as error:
        raise ConfigError(f"--spacing must be three positive numbers such as 2,0.5,0.5: {error}") from error


def _compare_spacing(path: Path, spacing: tuple[float, ...], trained: tuple[float, ...]) -> None:
    """Say where voxels have other proportions than those that a model of volumes was trained for."""
    ratio = [found / wanted for found, wanted in zip(spacing, trained, strict=True)]
    if max(ratio) > 1.1 * min(ratio):
        print_safely(
            f"{path}: voxels of {spacing[0]:g} x {spacing[1]:g} x {spacing[2]:g}, and the model was trained with a "
            f"spacing of {trained[0]:g} x {trained[1]:g} x {trained[2]:g}: results may be worse",
            error=True,
        )


def _weight(options: argparse.Namespace, spacing: tuple[float, ...]) -> float:
    """Weight of differences across slices, those within having about 1."""
    if options.z_weight is None:
        return joined_weight(spacing)
    try:
        return not_negative("--z-weight", options.z_weight)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _solver_of(denoiser: Denoiser, weight: float) -> Solver:
    """What solves the volume as a whole, see `difftv.volumes.denoise_volume`."""
    if denoiser.predictor.axes == 3:
        return denoiser.solver
    try:
        return volume_solver(denoiser.solver.regularizer, weight)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _check_memory(path: Path, volume: VolumeFile, solver: Solver | None) -> None:
    """Say what it takes, and refuse what does not fit, before any work; without a solver, pages one by one."""
    joined, size = solver is not None, volume.values.size
    needed = size * BYTES_PER_VOXEL_OF_PAGES
    if solver is not None:
        needed = max(needed, solver.bytes_needed(*volume.values.shape) or size * BYTES_PER_VOXEL)
    free = available_memory()
    if needed > free:
        smaller = "; without --axes 3 pages are denoised one by one" if joined else ""
        raise DataError(
            f"needs about {needed / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are free: crop it{smaller}"
        )
    manner = "" if joined else "is denoised page by page (--axes 3 takes it as one volume), "
    print_safely(f"{path}: {volume}, {manner}takes about {needed / 2**30:.2g} GiB of memory", error=True)


def _scale(path: Path, volume: VolumeFile, white_level: float | None) -> tuple[float, float]:
    """Black and the distance to white in the numbers of the file: full scale, or the range of what has none."""
    values = volume.values
    if white_level is not None:
        return 0.0, white_level
    if (found := scale_of(values)) is not None:
        return found
    low, high = float(values.min()), float(values.max())
    print_safely(
        f"{path}: {values.dtype} values have no full scale: {low:g} to {high:g} are taken for black to white, which "
        "--sigma is relative to; --white-level gives another white",
        error=True,
    )
    return low, (high - low) or 1.0


def _estimated(noisy: torch.Tensor, stored: StoredModel, path: Path) -> float:
    """The noise level of the page in the middle; that of all is taken to be the same."""
    return estimated_sigma(noisy[len(noisy) // 2][None], stored, path)


def _as_file(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return values.round().clip(limits.min, limits.max).astype(dtype)


def _draw(noisy: np.ndarray, denoised: np.ndarray, path: Path, target: Path, spacing: tuple[float, ...]) -> bool:
    """Draw three slices; what goes wrong there is said, and is no failure of the volume, which is written by then."""
    try:
        from difftv.lab.figures import save_figure
        from difftv.lab.figures.slices import orthogonal_slices

        drawn = orthogonal_slices({"noisy": noisy, "denoised": denoised}, spacing=spacing, title=path.name)
        save_figure(drawn, target)
    except (ImportError, MissingDependencyError, OSError, ValueError, RuntimeError) as error:
        print_safely(f"{path}: denoised; the picture of slices was not written: {error}", error=True)
        return False
    return True
