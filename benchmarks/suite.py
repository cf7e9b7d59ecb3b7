"""All parts of the benchmark as a list of jobs, and what they found as one JSON document and as tables."""

import contextlib
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from benchmarks.accuracy import REFERENCE_TOL
from benchmarks.build import build_table, measure_build
from benchmarks.clock import threads
from benchmarks.denoisers import ANISOTROPIC, COUPLED, ISOTROPIC, PEERS
from benchmarks.drop_in import drop_in_table, measure_drop_in
from benchmarks.exactness import SIZES, exactness_table, measure_exactness
from benchmarks.hand_written import NAME as BY_HAND
from benchmarks.hand_written import hand_written
from benchmarks.inputs import natural_colour_image, natural_image, natural_patches, with_learned_maps, with_maps_of
from benchmarks.isotropic import (
    isotropic_table,
    measure_deepinv,
    measure_device,
    measure_memory,
)
from benchmarks.layer import layer_table, measure_layer
from benchmarks.markdown import Table, to_markdown
from benchmarks.models import measure_models, models_table
from benchmarks.scaling import measure_scaling, scaling_table
from benchmarks.steps import Solve, measure_steps, steps_table
from difftv.errors import DiffTVError, MissingDependencyError
from difftv.regularizers import TGV, AnisotropicTV, HuberTV, IsotropicTV, Regularizer, TVpwL
from difftv.solvers import Admm, Clarabel, Ecos, Exact, Scs, Solver

PARTS = (
    "layer",
    "build",
    "exact",
    "exactness",
    "batched",
    "models",
    "isotropic",
    "denoise_tv",
    "scaling",
)


SLOPES = "gray-small"
"""The shipped model whose maps of lam and gam are solved: they are harder than those that training starts from."""


@dataclass(frozen=True)
class Settings:
    """What is measured, and how thoroughly.

    Attributes:
        photographs: image files that patches are taken from; the first one is also the large image.
        cache_dir: where decoded images go, or are already.
        patch_sizes: patch sizes of the layers, in pixels.
        batch: patches per step.
        repeats: rounds in which contestants take turns.
        build_sizes: patch sizes that are compiled; memory grows with their 4th power.
        exact_size: patch size at which the exact layer meets the cone solvers.
        exactness_sizes: sides of the images on which the exact layer is checked.
        batched: regularizer, patch size and batch on which `admm` meets the cone layers.
        model_side: side of the images that the shipped models denoise.
        isotropic_sizes: sides of the images that `admm` denoises: beside deepinv, and on devices (several).
        memory_iterations: numbers of iterations at which the memory of `admm` is measured.
        device_batch: images at a time on an accelerator.
        drop_in_size: side of the images that `denoise_tv` and others denoise.
        drop_in_error: root mean square error that they have to meet, in intensity.
        scaling_sizes: (height, width) of the images that exact denoises alone.
    """

    photographs: tuple[Path, ...]
    cache_dir: Path
    patch_sizes: tuple[int, ...] = (16, 32, 64)
    batch: int = 8
    repeats: int = 5
    build_sizes: tuple[int, ...] = (16, 32, 48)
    exact_size: int = 64
    exactness_sizes: tuple[int, ...] = SIZES
    batched: tuple[tuple[Regularizer, int, int], ...] = (
        (IsotropicTV(), 64, 4),
        (HuberTV(), 32, 4),
        (TGV(), 24, 2),
    )
    model_side: int = 512
    isotropic_sizes: tuple[int, tuple[int, ...]] = (256, (64, 128, 256))
    memory_iterations: tuple[int, int] = (100, 400)
    device_batch: int = 64
    drop_in_size: int = 512
    drop_in_error: float = 1e-4
    scaling_sizes: tuple[tuple[int, int], ...] = ((256, 256), (512, 512), (1024, 1024), (1356, 2040))


@dataclass(frozen=True)
class Job:
    """A piece of a part: long enough for a step of a progress bar, short enough to wait for."""

    part: str
    label: str
    measure: Callable[[], Sequence[Any]]


@dataclass
class Found:
    """Rows of one part, and why some are missing."""

    rows: list[Any] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def jobs(parts: Sequence[str], settings: Settings) -> list[Job]:
    """What there is to do for these parts, in the order of PARTS.

    Raises:
        ValueError: a part is not one of PARTS.
    """
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise ValueError(f"parts must be among {', '.join(PARTS)}, got {', '.join(unknown)}.")
    return [job for part in PARTS if part in parts for job in _JOBS[part](settings)]


def run(job: Job, found: dict[str, Found]) -> None:
    """Add what the job measures to its part; what cannot be measured here becomes a note."""
    part = found.setdefault(job.part, Found())
    try:
        part.rows += job.measure()
    except DiffTVError as error:
        part.notes.append(f"{job.label}: {error}")


def to_json(found: Mapping[str, Found], settings: Settings, versions: Mapping[str, str], commit: str | None) -> str:
    """Every raw timing, with what it takes to judge it: machine, versions, threads and settings."""
    document = {
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "versions": dict(versions),
        "commit": commit,
        "settings": _plain(settings),
        "photographs": [path.name for path in settings.photographs],
        "parts": {
            name: {"rows": [asdict(row) for row in part.rows], "notes": part.notes} for name, part in found.items()
        },
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _plain(settings: Settings) -> dict[str, Any]:
    left_out = ("photographs", "cache_dir", "batched")
    shown = {name: value for name, value in vars(settings).items() if name not in left_out}
    return {**shown, "batched": [(regularizer.name, *rest) for regularizer, *rest in settings.batched]}


def to_text(found: Mapping[str, Found]) -> str:
    """The tables as Markdown, each followed by the notes of its part."""
    sections = []
    for name, part in found.items():
        if part.rows:
            sections.append(to_markdown(_TABLES[name](part.rows)))
        if part.notes:
            sections.append("\n".join(f"- Not measured: {note}" for note in part.notes))
    return "\n\n".join(sections)


def machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "physical_cores": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "load_average": list(psutil.getloadavg()),
    }


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _solvers(regularizer: Regularizer) -> dict[str, Solver]:
    """Those that are installed and take it, but for `admm`."""
    solvers: dict[str, Solver] = {}
    for name, solver in (("scs", Scs), ("ecos", Ecos), ("clarabel", Clarabel), ("exact", Exact)):
        with contextlib.suppress(MissingDependencyError):
            if solver.refusal(regularizer) is None:
                solvers[name] = solver(regularizer)
    return solvers


def _layer_jobs(settings: Settings) -> list[Job]:
    def measure(size: int) -> Sequence[Any]:
        inputs = natural_patches(settings.photographs, settings.cache_dir, size, settings.batch)
        return measure_layer(_solvers(AnisotropicTV(1)), inputs, settings.repeats)

    return [Job("layer", f"layers {size}x{size}", partial(measure, size)) for size in settings.patch_sizes]


def _build_jobs(settings: Settings) -> list[Job]:
    return [
        Job(
            "build",
            f"compiling {regularizer.name}, {regularizer.num_maps} map(s), {size}x{size}",
            partial(_one_row, measure_build, regularizer, size),
        )
        for regularizer in (AnisotropicTV(1), AnisotropicTV(2), IsotropicTV())
        for size in settings.build_sizes
    ]


def _exact_jobs(settings: Settings) -> list[Job]:
    def measure() -> Sequence[Any]:
        regularizer = AnisotropicTV(1)
        inputs = natural_patches(settings.photographs, settings.cache_dir, settings.exact_size, settings.batch)
        exact = {"exact": Exact(regularizer)}
        cone = {name: solver for name, solver in _solvers(regularizer).items() if name != "exact"}
        reference = Exact(regularizer, tol=REFERENCE_TOL)
        with threads(1):
            return measure_steps({**exact, **cone}, reference, inputs, settings.repeats)

    def with_slopes() -> Sequence[Any]:
        regularizer = TVpwL(4)
        inputs = natural_patches(settings.photographs, settings.cache_dir, settings.exact_size, settings.batch)
        contestants: dict[str, Solve] = {
            "exact": Exact(regularizer),
            "admm, 120 iterations": Admm(regularizer, max_iter=120),
            "admm": Admm(regularizer),
        }
        reference = Exact(regularizer, tol=REFERENCE_TOL)
        with threads(1):
            return measure_steps(contestants, reference, with_learned_maps(SLOPES, inputs), settings.repeats)

    return [
        Job("exact", "exact layer and cone solvers", measure),
        Job("exact", f"exact layer and admm, maps of {SLOPES}", with_slopes),
    ]


def _exactness_jobs(settings: Settings) -> list[Job]:
    return [
        Job("exactness", f"exactness {size}x{size}", partial(measure_exactness, settings.photographs[0], size))
        for size in settings.exactness_sizes
    ]


def _batched_jobs(settings: Settings) -> list[Job]:
    def measure(regularizer: Regularizer, size: int, batch: int) -> Sequence[Any]:
        inputs = natural_patches(settings.photographs, settings.cache_dir, size, batch)
        # The last two are the same cone program but for what is asked of it: theirs is the one to be compared with.
        contestants: dict[str, Solve] = {"admm": Admm(regularizer), BY_HAND: hand_written(regularizer, size, size)}
        contestants["clarabel"] = Clarabel(regularizer)
        reference = Admm(regularizer, tol=REFERENCE_TOL, max_iter=100_000, dtype=torch.float64)
        found: list[Any] = []
        for number in sorted({1, torch.get_num_threads()}):
            with threads(number):
                found += measure_steps(contestants, reference, with_maps_of(regularizer, inputs), settings.repeats)
        return found

    return [
        Job("batched", f"admm and cone layers, {regularizer.name}", partial(measure, regularizer, size, batch))
        for regularizer, size, batch in settings.batched
    ]


def _model_jobs(settings: Settings) -> list[Job]:
    arguments = (settings.photographs, settings.model_side, settings.repeats)
    return [Job("models", "shipped models", partial(measure_models, *arguments))]


def _isotropic_jobs(settings: Settings) -> list[Job]:
    photograph, repeats = settings.photographs[0], settings.repeats
    step, on_devices = settings.isotropic_sizes
    return [
        Job("isotropic", "deepinv", partial(measure_deepinv, photograph, step, repeats)),
        Job("isotropic", "memory", partial(measure_memory, photograph, step, settings.memory_iterations, repeats)),
        *(
            Job(
                "isotropic",
                f"devices {side}x{side}",
                partial(measure_device, photograph, side, settings.device_batch, repeats),
            )
            for side in on_devices
        ),
    ]


def _drop_in_jobs(settings: Settings) -> list[Job]:
    side = settings.drop_in_size
    images = {
        "gray": lambda: natural_image(settings.photographs[0], side, side),
        "colour": lambda: natural_colour_image(settings.photographs, side, side),
    }

    def nothing_but(check: Callable[[], None]) -> Sequence[Any]:
        check()
        return []

    def measure(image: str, objective: str) -> Sequence[Any]:
        planes = images[image]().noisy[0].numpy()
        picture = planes[0] if image == "gray" else np.moveaxis(planes, 0, -1)
        return measure_drop_in(picture, objective, settings.drop_in_error, settings.repeats)

    solved = [(image, objective) for image in images for objective in (ISOTROPIC, ANISOTROPIC)] + [("colour", COUPLED)]
    return [
        *(Job("denoise_tv", name, partial(nothing_but, check)) for name, check in PEERS.items()),
        *(
            Job("denoise_tv", f"{image} {side}x{side}, {objective}", partial(measure, image, objective))
            for image, objective in solved
        ),
    ]


def _scaling_jobs(settings: Settings) -> list[Job]:
    arguments = (settings.photographs[0], settings.scaling_sizes, settings.repeats)
    return [Job("scaling", "larger images", partial(measure_scaling, *arguments))]


def _one_row(measure: Callable[..., Any], *arguments: object) -> list[Any]:
    return [measure(*arguments)]


_JOBS: dict[str, Callable[[Settings], list[Job]]] = {
    "layer": _layer_jobs,
    "build": _build_jobs,
    "exact": _exact_jobs,
    "exactness": _exactness_jobs,
    "batched": _batched_jobs,
    "models": _model_jobs,
    "isotropic": _isotropic_jobs,
    "denoise_tv": _drop_in_jobs,
    "scaling": _scaling_jobs,
}


_TABLES: dict[str, Callable[[list[Any]], Table]] = {
    "layer": layer_table,
    "build": build_table,
    "exact": partial(
        steps_table,
        title="The exact layer, the cone solvers and admm",
        reference=f"exact at tol={REFERENCE_TOL:.0e}; a gradient is far off where the image shows another "
        "component than the exact one does",
    ),
    "exactness": exactness_table,
    "batched": partial(
        steps_table,
        title="The batched solver, the cone layers and one written by hand",
        reference=f"admm in float64 at tol={REFERENCE_TOL:.0e}",
    ),
    "models": models_table,
    "isotropic": isotropic_table,
    "denoise_tv": drop_in_table,
    "scaling": scaling_table,
}
