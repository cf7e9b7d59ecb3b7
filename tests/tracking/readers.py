"""What trackers have written, read with the reader of each tool."""

import json
import math
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Found:
    """Scalars by name and step, images by name and number, a table as text, flat configuration, group of each run."""

    scalars: dict[str, dict[int, float]] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    table: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)

    def add(self, name: str, step: int, value: float) -> None:
        steps = self.scalars.setdefault(name, {})
        assert step not in steps, f"{name} has two values at step {step}"
        steps[step] = value


def of_wandb(run: Path) -> Found:
    """Both pieces of an offline run, in the order in which `wandb sync` uploads them."""
    found, identities = Found(), set()
    for file in sorted(run.rglob("*.wandb")):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json"]
        text = subprocess.run([*command, str(file)], capture_output=True, text=True, check=True).stdout
        for record in map(json.loads, text.splitlines()):
            if record["type"] == "run":
                identities.add((record["run"]["run_id"], record["run"]["run_group"]))
                found.config = {"sigma": record["run"]["config"]["update"]["sigma"]} | {
                    "solver.eps": record["run"]["config"]["update"]["solver"]["eps"]
                }
            if record["type"] == "history":
                row = record["history"]["item"]
                for name in ("train/loss", "validation/psnr"):
                    if name in row:
                        found.add(name, row["_step"], float(row[name]))
                if "strip_camera.path" in row:
                    found.images["strip_camera"] = found.images.get("strip_camera", 0) + 1
                    found.table = (file.parent / "files" / row["per_image.path"]).read_text()
        summary = subprocess.run([*command, "--summary", str(file)], capture_output=True, text=True, check=True).stdout
        if "psnr" in (numbers := json.loads(summary)["summary"]):
            found.scalars["psnr"] = {4: numbers["psnr"]}
    found.groups = [group for _, group in identities]
    return found


def of_tensorboard(run: Path) -> Found:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
        from tensorboard.plugins.hparams import plugin_data_pb2
    sweep = EventMultiplexer().AddRunsFromDirectory(str(run.parent))
    sweep.Reload()
    (name,) = sweep.Runs()
    found = Found(groups=[run.parent.name])
    tags = sweep.Runs()[name]
    for tag in tags["scalars"]:
        for event in sweep.Scalars(name, tag):
            found.add(tag, event.step, event.value)
    tensors = {
        tag: sweep.Tensors(name, tag)[-1].tensor_proto.string_val[0].decode()
        for tag in tags["tensors"]
        if tag.endswith("text_summary")
    }
    found.images = {tag: len(sweep.Images(name, tag)) for tag in tags["images"]}
    found.table = tensors["per_image/text_summary"]
    (started,) = (
        content
        for content in sweep.GetAccumulator(name).PluginTagToContent("hparams").items()
        if content[0] == "_hparams_/session_start_info"
    )
    settings = plugin_data_pb2.HParamsPluginData.FromString(started[1]).session_start_info.hparams
    found.config = {
        key: value.number_value if value.HasField("number_value") else value.string_value
        for key, value in settings.items()
    }
    found.config["sigma"] = int(found.config["sigma"])
    assert found.config["group"] == run.parent.name
    for steps in found.scalars.values():  # stored in 32 bits
        steps.update({step: rounded(value) for step, value in steps.items()})
    return found


def rounded(value: float) -> float:
    """The short number that a 32-bit one was written for."""
    if math.isnan(value):
        return value
    return next(exact for exact in (1 / 3, float(f"{value:.6g}")) if abs(exact - value) < 1e-6)


def of_mlflow(run: Path) -> Found:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=f"sqlite:///{run.parent}/.mlflow/mlflow.db")
        found = Found()
        for experiment in client.search_experiments():
            for each in client.search_runs([experiment.experiment_id]):
                found.groups.append(experiment.name)
                number = each.info.run_id
                for name in each.data.metrics:
                    for metric in client.get_metric_history(number, name):
                        found.add(name, metric.step, metric.value)
                found.config = each.data.params
                folder = Path(each.info.artifact_uri.removeprefix("file://"))
                found.images = {path.stem: 1 for path in (folder / "figures").iterdir()}
                found.table = (folder / "per_image.csv").read_text()
                assert each.info.status == "FINISHED"
    return found


_TRACKIO = """
import json, trackio
from trackio.sqlite_storage import SQLiteStorage
found = []
for run in trackio.Api().runs("diff-tv-net"):
    logs = SQLiteStorage.get_logs("diff-tv-net", run.name, run_id=run.id)
    found.append({"config": run.config, "logs": logs})
print("\\n" + json.dumps(found))
"""


def of_trackio(run: Path) -> Found:
    """In a process of its own: Trackio has one directory per process."""
    environment = {**os.environ, "TRACKIO_DIR": str(run.parent / ".trackio"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", _TRACKIO], capture_output=True, text=True, check=True, env=environment)
    (each,) = json.loads(done.stdout.splitlines()[-1])
    found = Found(groups=[each["config"]["_Group"]])
    found.config = {"sigma": each["config"]["sigma"], "solver.eps": each["config"]["solver"]["eps"]}
    for row in each["logs"]:
        for name, value in row.items():
            if isinstance(value, Mapping) and value.get("_type") == "trackio.image":
                found.images[name] = found.images.get(name, 0) + 1
            elif name == "per_image":
                found.table = value["_value"]
            elif name not in ("step", "timestamp"):
                found.add(name, row["step"], math.nan if value is None else float(value))
    return found


READERS: Mapping[str, Callable[[Path], Found]] = {
    "wandb": of_wandb,
    "tensorboard": of_tensorboard,
    "mlflow": of_mlflow,
    "trackio": of_trackio,
}
