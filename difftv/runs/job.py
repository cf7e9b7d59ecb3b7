"""One run from its configuration to its result: build, train, search the baseline, evaluate, write everything down."""

import hashlib
import logging
import math
import re
import traceback
from collections.abc import Mapping
from typing import Any

from difftv import figures
from difftv.baselines import GridSearch, nonlocal_means, scalar_denoiser, search_per_image, search_per_set
from difftv.errors import SolverError
from difftv.models.parts import described
from difftv.rundir.checkpoint import CheckpointStore
from difftv.rundir.provenance import git_commit, versions
from difftv.runs.build import Images, Objects, build, open_patches
from difftv.runs.claim import stop_name, termination_as_exit
from difftv.runs.config import Identity, check, to_yaml
from difftv.runs.directory import RunDirectory
from difftv.runs.identity import SCHEME
from difftv.solvers.base import Solver
from difftv.tracking.base import RunInfo, RunLog
from difftv.training.evaluation import (
    Evaluated,
    Row,
    evaluate,
    evaluate_group,
    evaluate_plain,
    evaluated_set,
    left_out,
    mean_row,
)
from difftv.training.loop import TrainingState, train

log = logging.getLogger(__name__)

STRIPS = 4
"""Comparison strips drawn per run: the first images of the evaluation set."""


def run(
    config: dict[str, Any],
    choices: Mapping[str, str],
    directory: RunDirectory,
    who: Identity,
    *,
    name: str,
    again: bool = False,
) -> dict[str, float]:
    """Carry out one run in its directory, or return what it already found.

    Args:
        config: the resolved configuration.
        choices: the option taken in each Hydra group, for tables.
        directory: where the run lives.
        who: the identity of the run.
        name: what a person reads in trackers.
        again: compute it although it has finished; what it found before is kept in `before/`.

    Returns:
        The flat metrics of result.json.

    Raises:
        DiffTVError, ValueError: with a message for the user; status.json and run.log hold it too.
    """
    # Tables and dashboards group by what was chosen on the command line, which the values alone do not tell.
    shown = {
        **config,
        "choices": dict(choices),
        "identity": {"scheme": SCHEME, "digest": who.digest, "images": who.images},
    }
    with directory.claim(), termination_as_exit():
        if directory.finished():
            if not again:
                return directory.read_metrics()
            directory.set_aside()
        checkpoints = CheckpointStore(directory.path, who.digest, described(shown))
        saved = checkpoints.load()
        # From here on whatever lies in the directory is this run's own, and may be written over.
        epochs = config.get("trainer", {}).get("epochs", 0)
        try:
            directory.write_status("running", epochs=epochs, epoch=saved["training"]["epoch"] if saved else 0)
            check(config)
            directory.write_config(to_yaml(shown))
            return _run(config, shown, directory, checkpoints, saved, who, name)
        except (KeyboardInterrupt, SystemExit) as stop:
            by_user = isinstance(stop, KeyboardInterrupt)
            reason = "interrupted by the user" if by_user else f"stopped ({stop_name(stop)})"
            directory.record_interruption(reason, epochs=epochs)
            log.warning("%s; the same command continues from the last checkpoint", reason)
            raise
        except Exception as error:
            directory.record_failure(error, traceback.format_exc(), epochs=epochs)
            raise


def _run(
    config: dict[str, Any],
    shown: dict[str, Any],
    directory: RunDirectory,
    checkpoints: CheckpointStore,
    saved: dict[str, Any] | None,
    who: Identity,
    name: str,
) -> dict[str, float]:
    objects = build(config)
    objects.tracker.check()
    images = open_patches(config, objects.splits, objects.denoiser.solver)
    for reason in images.skipped:
        log.warning("left out: %s", reason)
    info = RunInfo(
        directory=directory.path,
        identity=who.digest,
        name=name,
        group=config["sweep"],
        config=shown,
        git_commit=git_commit(),
        versions=versions(),
        resumed_epoch=saved["training"]["epoch"] if saved else 0,
    )
    with objects.tracker.open(info) as tracker:

        def on_epoch(state: TrainingState) -> None:
            _record_epoch(state, directory, objects, tracker)

        state = train(
            objects.denoiser,
            loss=objects.loss,
            optimizer=objects.optimizer,
            scheduler=objects.scheduler,
            patches=images.training,
            validation=images.validation,
            options=objects.options,
            checkpoints=checkpoints,
            saved=saved,
            device=objects.device,
            on_epoch=on_epoch,
        )
        metrics = _evaluate(config, objects, images, state, directory, tracker)
        if math.isnan(metrics["psnr"]):
            raise SolverError(
                f"The solver gave no answer for any of the {len(images.evaluation)} {images.evaluated_on} images, or "
                f"there is none that every method has an answer for; {directory.per_image} says more. Raise "
                "solver.max_iter, loosen the tolerance or take another solver."
            )
        directory.write_result(
            {
                "identity": who.digest,
                "identity_scheme": SCHEME,
                "images_identity": who.images,
                "evaluated_on": images.evaluated_on,
                "evaluated_set": evaluated_set(images.evaluation),
                "images": len(images.evaluation),
                "skipped_images": list(images.skipped),
                "best_epoch": state.best_epoch,
                "metrics": metrics,
                "versions": versions(),
                "git": {"commit": info.git_commit},
            }
        )
        tracker.summary(metrics)
    directory.write_status("finished", epochs=objects.options.epochs, epoch=state.epoch, psnr=metrics["psnr"])
    log.info(
        "PSNR %.2f dB (noisy %.2f, scalar lambda %.2f) on the %s images; %s",
        metrics["psnr"],
        metrics["noisy/psnr"],
        metrics["baseline/psnr"],
        images.evaluated_on,
        directory.path,
    )
    return metrics


def _record_epoch(state: TrainingState, directory: RunDirectory, objects: Objects, tracker: RunLog) -> None:
    directory.write_metrics(state.history)
    latest = state.history[-1] if state.history else {}
    directory.write_status(
        "running",
        epochs=objects.options.epochs,
        epoch=state.epoch,
        psnr=latest.get("validation/psnr"),
    )
    if latest:
        tracker.epoch(state.epoch, latest)
        log.info(
            "epoch %d/%d: loss %.5f, validation PSNR %.2f dB, solver %.3f s per image",
            state.epoch,
            objects.options.epochs,
            latest["train/loss"],
            latest["validation/psnr"],
            latest["solver/forward_seconds"] + latest["solver/backward_seconds"],
        )


def _evaluate(
    config: dict[str, Any],
    objects: Objects,
    images: Images,
    state: TrainingState,
    directory: RunDirectory,
    tracker: RunLog,
) -> dict[str, float]:
    solver, items, batch_size = objects.denoiser.solver, images.evaluation, objects.options.batch_size
    refinements = config["evaluation"]["refinements"]
    learned = evaluate(
        objects.denoiser.eval(), items, batch_size=batch_size, device=objects.device, label="evaluate learned"
    )
    search = search_per_set(
        solver, images.search, batch_size=batch_size, refinements=refinements, label="search lambda"
    )
    baseline = evaluate(scalar_denoiser(solver, search.lam[0]), items, batch_size=batch_size, label="evaluate scalar")
    columns = {
        "": [entry.row for entry in learned],
        "baseline": [entry.row for entry in baseline],
        "noisy": evaluate_plain(lambda noisy: noisy, items),
        "nonlocal_means": evaluate_plain(lambda noisy: nonlocal_means(noisy, config["sigma"]), items),
    }
    oracle = None
    if config["evaluation"]["oracle"]:
        oracle = search_per_image(
            solver, items, batch_size=batch_size, refinements=refinements, label="search lambda per image"
        )
        columns["oracle"] = _oracle_rows(solver, images, oracle)
    rows = [
        {f"{prefix}/{name}" if prefix else name: value for prefix, row in zip(columns, kinds, strict=True)
         for name, value in row.items()}
        for kinds in zip(*columns.values(), strict=True)
    ]  # fmt: skip
    names = [item.name for item in items]
    directory.write_per_image(names, rows)
    directory.write_baseline(
        {
            "lam": search.lam[0],
            "psnr": search.psnr[0],
            "curve": search.curve[0],
            "oracle": None if oracle is None else dict(zip(names, oracle.curve, strict=True)),
        }
    )
    header = list(dict.fromkeys(name for row in rows for name in row))
    tracker.table(
        "per_image", ["image", *header], [[name, *map(row.get, header)] for name, row in zip(names, rows, strict=True)]
    )
    _draw(learned, baseline, search, state, directory, tracker)
    missing = left_out(rows, list(columns))
    if missing:
        log.warning("%d of %d images are left out of every mean: a method has no answer there", missing, len(rows))
    means = mean_row(rows, list(columns))
    return {**means, **_totals(state, rows), "images/left_out": missing, "baseline/lam": search.lam[0]}


def _oracle_rows(solver: Solver, images: Images, oracle: GridSearch) -> list[Row]:
    return [
        {**evaluate_group(scalar_denoiser(solver, lam), [item])[0].row, "lam": lam}
        for item, lam in zip(images.evaluation, oracle.lam, strict=True)
    ]


def _totals(state: TrainingState, rows: list[Row]) -> dict[str, float]:
    """The cost of the training, per image, and the solves that went wrong in training and in the final evaluation."""

    def mean(name: str) -> float:
        values = [row[name] for row in state.history if not math.isnan(row[name])]
        return math.fsum(values) / len(values) if values else math.nan

    def total(name: str) -> float:
        return math.fsum(row[name] for row in state.history)

    return {
        "train/wall_seconds": total("train/wall_seconds"),
        "validation/wall_seconds": total("validation/wall_seconds"),
        "validation/metrics_seconds": total("validation/metrics_seconds"),
        "solver/forward_seconds": mean("solver/forward_seconds"),
        "solver/backward_seconds": mean("solver/backward_seconds"),
        "solver/not_converged": sum(row["solver/not_converged"] for row in state.history)
        + sum(row[f"{prefix}solver/not_converged"] for row in rows for prefix in ("", "baseline/")),
        "solver/failed_batches": sum(row["solver/failed_batches"] for row in state.history),
        "solver/worst_gap": max((row["solver/worst_gap"] for row in state.history), default=math.nan),
        "lam/zero_gradient_share": mean("lam/zero_gradient_share"),
    }


LONGEST_NAME = 80
"""Characters of an image's name in a figure's: file systems allow 255 bytes, some of them fewer."""


def figure_name(name: str, *, hashed: bool = False) -> str:
    """The name of an image in letters that every file system takes, short enough to have more put before and after it.

    Args:
        name: of the image.
        hashed: with a hash of the whole name, so that two images never share a figure; so is a name that was cut.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    if not hashed and len(plain) <= LONGEST_NAME:
        return plain
    return f"{plain[:LONGEST_NAME]}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _draw(
    learned: list[Evaluated],
    baseline: list[Evaluated],
    search: GridSearch,
    state: TrainingState,
    directory: RunDirectory,
    tracker: RunLog,
) -> None:
    drawn = {
        "training_curves": figures.training_curves(state.history),
        "lambda_search": figures.lambda_search(search.curve[0]),
    }
    for entry, scalar_entry in list(zip(learned, baseline, strict=True))[:STRIPS]:
        if entry.denoised is not None and entry.lam is not None and scalar_entry.denoised is not None:
            name = figure_name(entry.item.name)
            if f"strip_{name}" in drawn:
                name = figure_name(entry.item.name, hashed=True)
            drawn[f"strip_{name}"] = figures.comparison_strip(
                entry.item.clean,
                entry.item.noisy,
                entry.denoised,
                scalar_entry.denoised,
                entry.lam,
                title=entry.item.name,
                baseline_lam=search.lam[0],
            )
            drawn[f"lam_over_edges_{name}"] = figures.lam_over_edges(entry.lam, entry.item.clean)
    for name, figure in drawn.items():
        figures.save_figure(figure, directory.figures / f"{name}.png")
        tracker.figure(name, figure)
