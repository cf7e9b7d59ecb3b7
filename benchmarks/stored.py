"""The document that experiments/benchmark.py writes, read back: it gives the same tables later and elsewhere."""

import dataclasses
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.build import BuildRow
from benchmarks.deblurring import DeblurringRow, deblurring_table
from benchmarks.drop_in import DropInRow
from benchmarks.exactness import ExactnessRow
from benchmarks.isotropic import IsotropicRow
from benchmarks.knee import KneeRow, knee_table
from benchmarks.layer import LayerRow
from benchmarks.learned_volumes import VolumeRow, learned_volumes_table
from benchmarks.losses import LossGradientRow, LossRow, loss_gradients_table, losses_table
from benchmarks.markdown import Table, to_markdown
from benchmarks.models import ModelRow
from benchmarks.operators import GradientRow, OperatorRow, gradients_table, operators_table
from benchmarks.optimizers import OptimizerRow, optimizers_table
from benchmarks.regularizers import RegularizerRow, regularizers_table
from benchmarks.scaling import ScalingRow
from benchmarks.steps import StepRow
from benchmarks.suite import Found, Settings, to_text
from benchmarks.volumes import SolveRow, volumes_table

ROWS: Mapping[str, type] = {
    "layer": LayerRow,
    "build": BuildRow,
    "exact": StepRow,
    "exactness": ExactnessRow,
    "batched": StepRow,
    "models": ModelRow,
    "isotropic": IsotropicRow,
    "denoise_tv": DropInRow,
    "scaling": ScalingRow,
}
"""What the rows of every part are."""

STUDIES: Mapping[str, tuple[type, Callable[[Any], Table]]] = {
    "deblurring": (DeblurringRow, deblurring_table),
    "regularizers": (RegularizerRow, regularizers_table),
    "losses": (LossRow, losses_table),
    "loss_gradients": (LossGradientRow, loss_gradients_table),
    "optimizers": (OptimizerRow, optimizers_table),
    "operators": (OperatorRow, operators_table),
    "gradients": (GradientRow, gradients_table),
    "knee": (KneeRow, knee_table),
    "learned_volumes": (VolumeRow, learned_volumes_table),
    "volumes": (SolveRow, volumes_table),
}
"""The same of benchmarks that are scripts of their own (`benchmarks.study`), and their tables."""


@dataclass(frozen=True)
class Stored:
    """A measurement.

    Attributes:
        found: rows and notes of every part.
        settings: those that the tables name: sizes, batch, rounds.
        origin: the rest of the document: machine, threads, versions, commit.
    """

    found: Mapping[str, Found]
    settings: Settings
    origin: Mapping[str, Any]

    def tables(self) -> str:
        """What the benchmark printed."""
        own = [to_markdown(STUDIES[name][1](part.rows)) for name, part in self.found.items() if name in STUDIES]
        others = {name: part for name, part in self.found.items() if name not in STUDIES}
        return "\n\n".join([*own, *([to_text(others)] if others else [])])

    def where(self) -> str:
        """Machine, load, versions and command, in Markdown."""
        machine, versions = self.origin["machine"], self.origin["versions"]
        loads = ", ".join(f"{load:.1f}" for load in machine["load_average"])
        size = f"{machine['memory_bytes'] / 2**30:.0f} GiB"
        options = {
            "--only": " ".join(self.found),
            "--patch-sizes": " ".join(map(str, self.settings.patch_sizes)),
            "--exact-size": self.settings.exact_size,
            "--batch": self.settings.batch,
            "--repeats": self.settings.repeats,
            "--threads": self.origin["threads"],
        }
        given = " ".join(f"{name} {value}" for name, value in options.items())
        command = self.origin.get("command", f"python experiments/benchmark.py {given}")
        shown = ", ".join(f"{name} {versions[name]}" for name in sorted(versions) if versions[name])
        lines = [
            f"- {machine['processor']}, {machine['cores']} cores, {size}, {machine['system']}; load average {loads}",
            f"- `{command}`, at commit {self.origin['commit'] or 'unknown'}",
            f"- {shown}",
        ]
        return "\n".join(lines)


def read(path: Path) -> Stored:
    """A benchmark.json.

    Raises:
        ValueError: it is not such a document, or one of another version of the benchmark; the message names the entry.
    """
    try:
        document = json.loads(path.read_text())
        found = {name: _found(name, part) for name, part in document["parts"].items()}
        origin = {name: document[name] for name in ("machine", "threads", "versions", "commit")}
        if "command" in document:
            return Stored(found, Settings(photographs=(), cache_dir=Path()), origin | {"command": document["command"]})
        settings = document["settings"]
        shown = Settings(
            photographs=(),
            cache_dir=Path(),
            patch_sizes=tuple(settings["patch_sizes"]),
            batch=settings["batch"],
            exact_size=settings["exact_size"],
            repeats=settings["repeats"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no document of experiments/benchmark.py: {error!r}.") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error} Measure again with experiments/benchmark.py.") from error
    return Stored(found, shown, origin)


def _found(name: str, part: Mapping[str, Any]) -> Found:
    kinds = dict(ROWS) | {name: kind for name, (kind, _) in STUDIES.items()}
    if name not in kinds:
        raise ValueError(f"part {name!r} is none of {', '.join(kinds)}.")
    return Found([_built(kinds[name], row, name) for row in part["rows"]], list(part["notes"]))


def _built(kind: Any, value: Any, place: str) -> Any:
    """`value`, from JSON, as what the field of a row is declared to be."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        if set(value) != set(hints):
            raise ValueError(
                f"{place} has the entries {', '.join(sorted(value))}, expected {', '.join(sorted(hints))}."
            )
        entries = {name: _built(hint, value[name], f"{place}.{name}") for name, hint in hints.items()}
        return kind(**entries)  # type: ignore[operator]
    if typing.get_origin(kind) is tuple:
        return tuple(value)
    return value
