"""Runs in W&B, the server that stands in for it, and what it recorded."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from difftv.lab.tracking import RunInfo
from difftv.lab.tracking.wandb import WandbTracker
from tests.tracking.fake_server import API_KEY, FakeServer

Records = list[dict[str, Any]]
IDENTITY = "0123456789ab"


def info(directory: Path) -> RunInfo:
    return RunInfo(directory, identity=IDENTITY, name="solver=scs", group="ablation", config={"sigma": 25})


def tracker(mode: str = "auto") -> WandbTracker:
    """A tracker that does not wait long."""
    return WandbTracker(mode=mode, init_timeout=3.0, finish_timeout=2.0)


@pytest.fixture
def point_to(place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a server the one that W&B talks to, with a login for it."""

    def point(url: str, key: str = API_KEY) -> None:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        monkeypatch.setenv("WANDB_API_KEY", key)

    return point


@pytest.fixture
def server(point_to: Callable[..., None]) -> Iterator[FakeServer]:
    with FakeServer() as running:
        point_to(running.url)
        yield running


@pytest.fixture
def records(tmp_path: Path) -> Callable[[Path], Records]:
    """Read a W&B directory back with W&B's own reader: every record of its one .wandb file."""

    def read(directory: Path, *options: str) -> Records:
        (file,) = sorted(directory.rglob("*.wandb"))
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *options, str(file)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
        if options:
            return [json.loads(answer)]
        return [json.loads(line) for line in answer.splitlines()]

    return read


def rows(records: Records) -> Records:
    """The logged rows, without W&B's own columns except `_step`."""
    items = [record["history"]["item"] for record in records if record["type"] == "history"]
    return [{key: value for key, value in item.items() if key not in ("_runtime", "_timestamp")} for item in items]


def steps(server: FakeServer) -> list[int]:
    """The steps of the rows that a server has of the run."""
    return [row["_step"] for row in server.history[IDENTITY]]


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the project itself said."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("difftv")]
