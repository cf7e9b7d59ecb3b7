"""A sweep that is killed again and again at random moments ends as if nothing had happened.

DIFFTV_KILLS says how often; the sweep grows with it.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import torch

from tests.conftest import PROJECT
from tests.runs.commands import SMALL
from tests.runs.test_resume import outcome

KILLS = int(os.environ.get("DIFFTV_KILLS", "12"))
JOBS = [
    *SMALL,
    "patch_size=16",
    "evaluation.oracle=false",
    "evaluation.test_images=1",
    "evaluation.validation_images=1",
]
SWEEP = ["-m", *JOBS, "solver=taut_string,scs", f"seed={','.join(map(str, range(1, 2 + KILLS // 8)))}"]
LONGEST = 70
"""File operations before a kill, at most. A run makes about 150 of them, a start some 10 before it gets on."""


def sweep(directory: Path, kills: int) -> dict:
    request = {
        "arguments": [*SWEEP, f"hydra.sweep.dir={directory}"],
        "directory": str(directory),
        "how": [kills, 20261123, LONGEST],
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.runs.forks", json.dumps(request)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        timeout=60 + 30 * (KILLS + 4),
        check=True,
    )
    return json.loads(done.stdout)


def test_a_sweep_killed_at_random_moments_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = sweep(tmp_path / "whole", 0)
    assert whole["codes"] == [0], whole["shown"]
    killed = sweep(tmp_path / "killed", KILLS)
    assert killed["codes"] == [-signal.SIGKILL] * KILLS + [0], killed["shown"]
    assert killed["computed_again"] == []
    runs = sorted(path.name for path in (tmp_path / "whole").iterdir() if path.is_dir())
    assert runs == sorted(path.name for path in (tmp_path / "killed").iterdir() if path.is_dir())
    assert len(runs) == SWEEP[-1].count(",") * 2 + 2
    for name in runs:
        expected, found = outcome(tmp_path / "whole" / name), outcome(tmp_path / "killed" / name)
        for one, other in zip(found, expected, strict=True):
            if isinstance(one, dict) and any(isinstance(value, torch.Tensor) for value in one.values()):
                assert all(torch.equal(value, other[key]) for key, value in one.items()), name
            else:
                assert one == other, name
    left = [path.name for path in (tmp_path / "killed").rglob(".*") if path.is_file() and path.name != ".lock"]
    assert left == []
