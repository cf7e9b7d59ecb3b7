"""A saved W&B view that compares the runs of one sweep: curves, scatter plots, maps, cost, what mattered.

The view only shows: every number in it was logged by `WandbTracker`, under the names of `difftv.metrics`.
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from difftv.errors import DataError, DiffTVError, MissingDependencyError
from difftv.extras import require
from difftv.files import write_atomically
from difftv.lab.rundir.layout import CONFIG, FIGURES, RESULT
from difftv.lab.rundir.reading import UnreadableError, numbers, read_json
from difftv.lab.tracking.login import login_refusal, quiet_wandb, reason
from difftv.printing import printable

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace

FILE = "dashboard.json"
SOLVER = "choices.solver"  # where the configuration of a run says which solver it took
DATA = ("identity.images", "data.eval_patch_size", "data.clip_noise")
"""Where it says what it was evaluated on: a mean over runs on different images would mean nothing."""
EDGES = ("edge/gradient_ratio", "edge/epi", "edge/fom", "edge/gmsd", "edge/gradient_w1", "psnr_edge")
STAIRS = ("stair/plateau_excess", "stair/plateau_excess_ramp", "stair/second_order", "stair/false_jump")


@dataclass(frozen=True)
class SavedView:
    """Where the view went: `url` when it was saved to W&B; otherwise `file` holds it, and `why_not` says why."""

    url: str | None = None
    file: Path | None = None
    why_not: str = ""


def publish(sweep: Path, *, project: str, entity: str | None = None) -> SavedView:
    """Save the view of a sweep to W&B, or write it beside the runs where W&B cannot be used.

    Args:
        sweep: directory of the sweep, outputs/<sweep>; its name is the W&B group of its runs.
        project: the W&B project that the runs are in.
        entity: the W&B user or team; None = the account's default.

    Raises:
        DataError: the directory holds no run.
        MissingDependencyError: the extra `dashboard` is not installed.
        DiffTVError: W&B took the login, but not the view.
    """
    strips, names, group = strips_of(sweep), maps_of(sweep), printable(sweep.resolve().name)
    workspaces()
    why_not = login_refusal()
    if why_not is None:
        try:
            view = build(
                group, strips, names=names, project=project, entity=entity or quiet_wandb().Api().default_entity
            )
            return SavedView(url=view.save().url)
        except Exception as error:  # what the server refuses comes as an exception without a common base
            raise DiffTVError(
                f"W&B did not save the view: {reason(error)}. Check --entity and --project (got {entity!r}, "
                f"{project!r}): the project must exist, and it does once a run has been logged or synced to it."
            ) from error
    file = sweep / FILE
    view = build(group, strips, names=names, project=project, entity=entity or "")
    write_atomically(file, json.dumps(specification(view), indent=2) + "\n")
    return SavedView(file=file, why_not=why_not)


def strips_of(sweep: Path) -> list[str]:
    """Names of the image strips that the runs of a sweep logged, from their figures on disk.

    Raises:
        DataError: the directory holds no run.
    """
    if not any(sweep.glob(f"*/{CONFIG}")):
        raise DataError(
            f"{sweep} holds no run (no */{CONFIG}). Give the directory of a sweep, outputs/<sweep>, for example "
            "outputs/runs."
        )
    return sorted({printable(path.stem) for path in sweep.glob(f"*/{FIGURES}/strip_*.png")})


def maps_of(sweep: Path) -> list[str]:
    """Names of the maps that the finished runs of a sweep learned, from their results on disk; lam where none has."""
    found: dict[str, None] = {}
    for path in sorted(sweep.glob(f"*/{RESULT}")):
        try:
            metrics = numbers(read_json(path).get("metrics"))
        except (UnreadableError, ValueError):
            continue
        columns = (name.partition("/") for name in metrics)
        found |= dict.fromkeys(name for name, _, column in columns if column == "edge_to_smooth")
    return list(found) or ["lam"]


def build(
    sweep: str, strips: Sequence[str], *, names: Sequence[str] = ("lam",), project: str, entity: str
) -> "Workspace":
    """The view itself; needs no network.

    Args:
        sweep: the W&B group to show.
        strips: names of the images to show side by side for all runs.
        names: names of the maps that the runs learned (`maps_of`).
        project, entity: where it is going to be saved.
    """
    ws, panels = workspaces()
    return ws.Workspace(
        name=f"Sweep {sweep}",
        entity=entity,
        project=project,
        sections=[
            ws.Section(name="Fidelity", panels=_fidelity(panels), is_open=True),
            ws.Section(name="Staircasing against fidelity", panels=_staircasing(panels), is_open=True),
            ws.Section(name="Edges", panels=_edges(panels), is_open=True),
            ws.Section(name="Maps", panels=_maps(panels, strips, names), is_open=True),
            ws.Section(name="Cost of the solver", panels=_cost(panels), is_open=True),
            ws.Section(name="What mattered", panels=_importance(panels), is_open=True),
        ],
        settings=ws.WorkspaceSettings(x_axis="epoch"),
        runset_settings=ws.RunsetSettings(
            filters=ws.And(ws.Metric("Group") == sweep),
            groupby=[ws.Config(SOLVER), ws.Config("sigma"), *map(ws.Config, DATA)],
        ),
    )


def specification(view: "Workspace") -> dict[str, Any]:
    """What the view says, in plain containers: every object as its class and its public fields that have a value."""
    return _plain(view)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        public = {each.name: getattr(value, each.name) for each in fields(value) if not each.name.startswith("_")}
        return {"type": type(value).__name__} | {
            name: _plain(entry) for name, entry in public.items() if entry not in (None, [], ())
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def workspaces() -> tuple[ModuleType, ModuleType]:
    """The optional package: its workspaces and its panels.

    Raises:
        MissingDependencyError: saying what to install.
    """
    require("dashboard", "wandb", "wandb_workspaces", by="The dashboard")
    try:
        quiet_wandb()
        with warnings.catch_warnings():
            # The package still defines its models in the style of pydantic 1.
            warnings.simplefilter("ignore", DeprecationWarning)
            import wandb_workspaces.reports.v2 as panels
            import wandb_workspaces.workspaces as ws
    except ImportError as error:
        raise MissingDependencyError(
            f'wandb-workspaces cannot be imported ({error}). Install it again: pip install "difftv[dashboard]"'
        ) from error
    return ws, panels


def _fidelity(panels: ModuleType) -> list[Any]:
    """The runs are grouped by solver, sigma and data: a line is the mean of its group, the band its spread."""
    return [
        panels.LinePlot(
            title=title,
            x="epoch",
            y=[metric],
            title_x="epoch",
            title_y=unit,
            groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
            smoothing_type="none",
        )
        for title, metric, unit in (
            ("Validation PSNR", "validation/psnr", "dB"),
            ("Validation SSIM", "validation/ssim", ""),
            ("Training loss", "train/loss", ""),
            ("Learning rate", "lr", ""),
        )
    ]


def _staircasing(panels: ModuleType) -> list[Any]:
    """One point per run: up = better PSNR, left = fewer stairs; and what the tuned scalar lambda reaches."""
    summary = panels.SummaryMetric
    learned = [
        panels.ScatterPlot(title=f"{metric} against PSNR", x=summary(metric), y=summary("psnr")) for metric in STAIRS
    ]
    scalar = panels.ScatterPlot(
        title="The same for the best scalar lambda",
        x=summary("baseline/stair/plateau_excess"),
        y=summary("baseline/psnr"),
    )
    return [*learned, scalar]


def _edges(panels: ModuleType) -> list[Any]:
    return [panels.BarPlot(title=metric, metrics=[metric], groupby_aggfunc="mean") for metric in EDGES]


def _maps(panels: ModuleType, strips: Sequence[str], names: Sequence[str]) -> list[Any]:
    """The strips show the maps beside the images; the bars say whether each is smaller at edges."""
    bars = {"Differences that cost nothing": "gam/free_edge_share"} if "gam" in names else {}
    for name in names:
        bars[f"{name} on edges over {name} in smooth regions"] = f"{name}/edge_to_smooth"
        bars[f"Share of {'edges' if name == 'lam' else name} without gradient"] = f"{name}/zero_gradient_share"
    return [
        *(panels.MediaBrowser(title=strip, media_keys=[strip], gallery_axis="run") for strip in strips),
        *(panels.BarPlot(title=title, metrics=[metric]) for title, metric in bars.items()),
    ]


def _cost(panels: ModuleType) -> list[Any]:
    seconds = ["solver/forward_seconds", "solver/backward_seconds"]
    return [
        panels.BarPlot(title="Seconds per image", metrics=seconds, groupby_aggfunc="mean"),
        panels.LinePlot(title="Iterations", x="epoch", y=["solver/iterations"], log_y=True),
        panels.LinePlot(title="Solves that did not converge", x="epoch", y=["solver/not_converged"]),
        panels.LinePlot(title="Worst relative duality gap", x="epoch", y=["solver/worst_gap"], log_y=True),
        panels.ScatterPlot(
            title="Seconds against PSNR",
            x=panels.SummaryMetric("solver/forward_seconds"),
            y=panels.SummaryMetric("psnr"),
            log_x=True,
        ),
    ]


def _importance(panels: ModuleType) -> list[Any]:
    """Which settings of the sweep explain the result."""
    return [
        panels.ParameterImportancePlot(with_respect_to="psnr"),
        panels.ParameterImportancePlot(with_respect_to="stair/plateau_excess"),
    ]
