"""The sweep file for W&B's agent: what it starts is a run of ours, and what it compares is a number that we log.

The server itself is not asked: nothing here stands in for it.
"""

import itertools
from typing import Any

import pytest
import yaml

from difftv.lab.rundir.objective import PSNR
from difftv.lab.runs.plan import PlannedRun
from tests.conftest import PROJECT, composed

SWEEP: dict[str, Any] = yaml.safe_load((PROJECT / "experiments" / "wandb_sweep.yaml").read_text())

ENDS = [
    [f"{key}={value}" for value in (spec.get("values") or (spec["min"], spec["max"]))]
    for key, spec in SWEEP["parameters"].items()
]


def test_the_command_is_that_of_a_run() -> None:
    assert SWEEP["command"][:3] == ["${env}", "${interpreter}", "${program}"]
    assert SWEEP["command"][-1] == "${args_no_hyphens}"
    assert (PROJECT / SWEEP["program"]).samefile(PROJECT / "experiments" / "run.py")
    assert SWEEP["metric"] == {"name": PSNR, "goal": "maximize"}


@pytest.mark.parametrize("arguments", list(itertools.product(*ENDS)), ids=" ".join)
def test_every_run_of_the_sweep_can_be_carried_out(arguments: tuple[str, ...]) -> None:
    """As the agent builds the command: `${args_no_hyphens}` becomes one word `key=value` for each parameter."""
    config = composed(*SWEEP["command"][3:-1], *arguments)
    planned = PlannedRun.of(config)
    planned.check()
    assert planned.config["tracker"]["_target_"] == "difftv.lab.tracking.wandb.WandbTracker"


def test_the_agent_fills_in_the_macros_that_are_used() -> None:
    agent = pytest.importorskip("wandb.sdk.launch.sweeps.utils", reason="this wandb keeps its agent elsewhere")
    arguments = {"optimizer.lr": {"value": 0.001}, "loss": {"value": "psnr"}}
    flags = agent.create_sweep_command_args({"args": arguments})
    assert flags["args_no_hyphens"] == ["optimizer.lr=0.001", "loss=psnr"]
