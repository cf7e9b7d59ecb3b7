"""A sweep as one HTML file that needs nothing else: no network, no account, no server."""

import base64
import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import zip_longest
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from difftv.lab.figures import (
    encode_figure,
    search_front,
    search_progress,
    solver_time,
    staircasing_scatter,
    training_bands,
)
from difftv.lab.report.methods import METHODS
from difftv.lab.report.notation import Notation, caption, column_heads, digits, layout
from difftv.lab.report.seeds import mean_metrics, seed_groups, seed_keys
from difftv.lab.report.settings import CHOICES, MISSING, PROTOCOL, SETS, Value, differing_keys, lookup, show
from difftv.lab.report.sweep import Run, Sweep, read_history
from difftv.lab.report.table import Table
from difftv.lab.rundir.layout import FIGURES, LOG
from difftv.lab.rundir.search import read_search
from difftv.printing import printable

EMBEDDED_BYTES = 20_000_000  # of run figures; browsers and mail programs grow slow beyond
_PNG = b"\x89PNG\r\n\x1a\n"
_NOTATION = Notation(bold=lambda text: f"<b>{text}</b>", number=lambda text: text, plus_minus=" ± ")


@dataclass(frozen=True)
class _Head:
    text: str
    number: bool = False


@dataclass(frozen=True)
class _Cell:
    """One cell: what it shows, what it sorts by (None = the text), its class, and where it leads."""

    text: str
    value: str | None = None
    kind: str = ""
    link: str = ""


@dataclass(frozen=True)
class _Grid:
    label: str
    heads: Sequence[_Head]
    rows: Sequence[Sequence[_Cell]]


@dataclass(frozen=True)
class _Picture:
    caption: str
    source: str = ""
    link: str = ""


@dataclass(frozen=True)
class _Album:
    label: str
    figures: Sequence[_Picture]


def to_html(sweep: Sweep, table: Table | None, *, seeds: Literal["join", "each"] = "join") -> str:
    """The page: the table, every run, the figures, the configuration, and links to the logs beside it.

    Args:
        sweep: sweep as `read_sweep` found it.
        table: made of the same sweep; None where no run has finished.
        seeds: in the figures that compare settings, "join" = runs that differ in the seed alone as their mean with a
            band of one standard deviation, "each" = a curve for every run.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    here = resources.files("difftv.lab.report")
    script = here.joinpath("page.js").read_text(encoding="utf-8")
    settings = [run.settings for run in sweep.runs]
    differing = [
        key for key in differing_keys(settings) if not key.endswith("_target_")
    ]  # the choice says it in a word
    labels = _labels(sweep.runs, differing)
    albums = _albums(sweep.runs, labels)
    return environment.from_string(here.joinpath("page.html.j2").read_text(encoding="utf-8")).render(
        name=printable(sweep.directory.resolve().name),
        counts=_counts(sweep),
        ablation=_ablation(table) if table else None,
        caption=" ".join(caption(table)) if table else "",
        notes=table.notes if table else (),
        runs=_runs(sweep.runs, differing, table.metrics) if table else None,
        front=_front(sweep.directory),
        absent=_absent(sweep) if sweep.absent else None,
        figures=[*_search_figure(sweep.directory), *_sweep_figures(_series(sweep.runs, differing, seeds))],
        pictures=albums,
        too_many=any(figure.link for album in albums for figure in album.figures),
        common=_common(settings, differing),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _counts(sweep: Sweep) -> str:
    states = [run.state for run in sweep.absent]
    counts = {"finished": len(sweep.runs), **{state: states.count(state) for state in sorted(set(states))}}
    return ", ".join(f"{number} {state}" for state, number in counts.items())


def _ablation(table: Table) -> _Grid:
    labels, text_rows = layout(table, _NOTATION)
    heads = [*map(_Head, (*table.row_keys, *labels)), *(_Head(h or "all runs", True) for h in column_heads(table))]
    rows = []
    for row in text_rows:
        # digits, signs and <b> only: nothing of what a run wrote as text
        numbers = [_Cell(Markup(t), _sortable(m), "number") for t, m in zip(row.cells, row.means, strict=True)]
        rows.append([*map(_setting, row.row), *map(_Cell, row.labels), *numbers])
    return _Grid("Comparison", heads, rows)


def _runs(runs: Sequence[Run], differing: Sequence[str], metrics: Sequence[str]) -> _Grid:
    keys = [*_headline(runs, differing), *(key for key in ("seed",) if any(key in run.settings for run in runs))]
    details = [key for key in differing if key not in keys]
    columns = [
        (f"{method}: {metric}", prefix + metric, metric)
        for metric in metrics
        for method, prefix in METHODS.items()
        if any(prefix + metric in run.metrics for run in runs)
    ]
    heads = [*map(_Head, keys), *(_Head(text, True) for text, _, _ in columns)]
    # Names of directories are long: at the left they would hide the numbers.
    heads += [*map(_Head, details), _Head("run"), _Head("log")]
    rows = []
    for run in runs:
        cells = [*(_setting(lookup(run.settings, key)) for key in keys)]
        for _, name, metric in columns:
            value = run.metrics.get(name)
            text = "-" if value is None else digits(metric, value)
            cells.append(_Cell(text, "" if value is None else _sortable(value), "number"))
        cells += [_setting(lookup(run.settings, key)) for key in details]
        cells.append(_Cell(run.name))
        cells.append(_Cell(LOG, None, "", _link(run.directory, LOG)))
        rows.append(cells)
    return _Grid("Runs", heads, rows)


def _absent(sweep: Sweep) -> _Grid:
    rows = [
        [
            _Cell(run.state, None, "bad" if run.state in ("failed", "lost", "damaged", "other format") else ""),
            _Cell(run.name),
            _Cell(run.reason, None, "wrap"),
            _Cell(LOG if run.log else "-", None, "", _link(run.directory, LOG) if run.log else ""),
        ]
        for run in sweep.absent
    ]
    return _Grid("Runs without numbers", [_Head("state"), _Head("run"), _Head("reason"), _Head("log")], rows)


def _setting(value: Value) -> _Cell:
    return _Cell(show(value), _sortable(value) if isinstance(value, int | float) else None)


def _sortable(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value)).replace("inf", "Infinity")


def _link(directory: Path, *names: str) -> str:
    return "./" + "/".join(quote(name, safe="", errors="surrogateescape") for name in (directory.name, *names))


def _headline(runs: Sequence[Run], differing: Sequence[str]) -> list[str]:
    """The keys that differ, without those below a group whose choice differs: solver=scs says more than its eps."""
    groups = tuple(f"{key}." for key in differing if any(CHOICES + key in run.settings for run in runs))
    return [key for key in differing if not key.startswith(groups)]


def _labels(runs: Sequence[Run], differing: Sequence[str], *, seeds: bool = True) -> dict[str, str]:
    """Run -> `solver=scs, sigma=25`; its own name where that does not tell it from another."""
    keys = _headline(runs, differing)
    keys = [key for key in keys if key not in (*PROTOCOL, *SETS)]
    if seeds:
        keys += seed_keys([run.settings for run in runs])
    keys = keys or [key for key in ("solver", "sigma") if all(lookup(run.settings, key) != MISSING for run in runs)]
    texts = [", ".join(f"{key}={show(lookup(run.settings, key))}" for key in keys) for run in runs]
    unique = {text for text in texts if text and texts.count(text) == 1}
    return {run.name: text if text in unique else run.name for run, text in zip(runs, texts, strict=True)}


def _series(runs: Sequence[Run], differing: Sequence[str], seeds: Literal["join", "each"]) -> dict[str, Sequence[Run]]:
    """Label -> the runs behind one curve: the seeds of a setting, or every run by itself."""
    if seeds == "each":
        labels = _labels(runs, differing)
        return {labels[run.name]: [run] for run in runs}
    groups = seed_groups(runs)
    labels = _labels([group[0] for group in groups], differing, seeds=False)
    return {labels[group[0].name] + (f" ({len(group)} seeds)" if len(group) > 1 else ""): group for group in groups}


def _front(directory: Path) -> _Grid | None:
    """The trials that no other one beats, where a search has several objectives."""
    search = read_search(directory)
    if search is None or not search.others:
        return None
    keys = list(dict.fromkeys(key for trial in search.front for key in trial.params))
    heads = [_Head("trial", True), *(_Head(metric, True) for metric in search.metrics), *map(_Head, keys), _Head("run")]
    names = [metric.removeprefix("validation/") for metric in search.metrics]
    rows = []
    for trial in search.front:
        pairs = zip(names, trial.values, strict=True)
        numbers = [_Cell(digits(name, value), _sortable(value), "number") for name, value in pairs]
        params = [_setting(trial.params.get(key, MISSING)) for key in keys]
        rows.append([_Cell(str(trial.number), str(trial.number), "number"), *numbers, *params, _Cell(trial.run)])
    return _Grid("Front of the search", heads, rows)


def _search_figure(directory: Path) -> Iterator[_Picture]:
    search = read_search(directory)
    if search is not None and search.trials:
        states = [trial.state for trial in search.trials]
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        yield _embedded(f"Search: {counts}", encode_figure(search_progress(search), "png"))
        if search.others:
            yield _embedded("Front of the search", encode_figure(search_front(search), "png"))


def _sweep_figures(series: Mapping[str, Sequence[Run]]) -> Iterator[_Picture]:
    runs = [run for group in series.values() for run in group]
    several = any(len({lookup(run.settings, key) for run in runs}) > 1 for key in SETS)
    warning = ": not all on the same images" if several else ""
    if any(len(group) > 1 for group in series.values()):
        warning += "; mean of the seeds, with one standard deviation"
    read = {label: [history for run in group if (history := read_history(run))] for label, group in series.items()}
    histories = {label: found for label, found in read.items() if found}
    if histories:
        several = len({lookup(run.settings, "loss") for run in runs}) > 1
        yield _embedded(f"Training{warning}", encode_figure(training_bands(histories, several_losses=several), "png"))
    found = {label: mean_metrics(group) for label, group in series.items()}
    means = {label: mean for label, (mean, _) in found.items() if "stair/plateau_excess" in mean}
    if means:
        stds = {label: found[label][1] for label in means}
        figure = staircasing_scatter(means, spread=stds)
        yield _embedded(f"Staircasing against PSNR{warning}", encode_figure(figure, "png"))
    times = [
        {**run.metrics, "solver": show(lookup(run.settings, "solver")), "patch_size": size}
        for run in runs
        if isinstance(size := lookup(run.settings, "patch_size"), int | float)
    ]
    if len({row["patch_size"] for row in times}) > 1:
        yield _embedded("Solver time by patch size", encode_figure(solver_time(times), "png"))


def _albums(runs: Sequence[Run], labels: Mapping[str, str]) -> list[_Album]:
    """The figures of every run; the first of each run is embedded before the second of any."""
    paths = {run.name: sorted((run.directory / FIGURES).glob("*.png")) for run in runs}
    pictures: dict[Path, _Picture] = {}
    left = EMBEDDED_BYTES
    for path in (path for round_ in zip_longest(*paths.values()) for path in round_ if path):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if not content.startswith(_PNG):
            continue
        left -= len(content)
        if left >= 0:
            pictures[path] = _embedded(path.stem, content)
        else:
            pictures[path] = _Picture(path.stem, link=_link(path.parent.parent, FIGURES, path.name))
    albums = [
        _Album(labels[name], [pictures[path] for path in found if path in pictures]) for name, found in paths.items()
    ]
    return [album for album in albums if album.figures]


def _embedded(text: str, png: bytes) -> _Picture:
    return _Picture(text, source=f"data:image/png;base64,{base64.b64encode(png).decode()}")


def _common(settings: Sequence[Mapping[str, Value]], differing: Sequence[str]) -> list[tuple[str, str]]:
    if not settings:
        return []
    shared = {key: value for key, value in settings[0].items() if all(each.get(key, key) == value for each in settings)}
    return [(key, show(value)) for key, value in sorted(shared.items()) if key not in (*PROTOCOL, *SETS)]
