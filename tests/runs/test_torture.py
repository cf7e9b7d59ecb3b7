"""A sweep that is killed again and again at random moments ends with the bits of one that was not killed.

DIFFTV_KILLS says how often; the sweep grows with it.
"""

import os
import signal
from pathlib import Path

import pytest
import torch

from tests.runs.commands import SMALL, tortured
from tests.runs.outcomes import outcome

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("DIFFTV_KILLS", "6"))
SEEDS = 1 + KILLS // 8
JOBS = [
    *SMALL,
    "patch_size=16",
    "evaluation.oracle=false",
    "evaluation.test_images=1",
    "evaluation.validation_images=1",
]
SWEEP = ["-m", *JOBS, "solver=taut_string,scs", f"seed={','.join(map(str, range(SEEDS)))}"]
OPERATIONS = 110
"""File operations of a run of this size."""


def sweep(directory: Path, kills: int) -> dict:
    request = {
        "arguments": [*SWEEP, f"hydra.sweep.dir={directory}"],
        "directory": str(directory),
        "how": [2 * SEEDS, kills, 20261123, OPERATIONS],
    }
    return tortured(request, timeout=60 + 30 * (KILLS + 4))


def test_a_sweep_killed_at_random_moments_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = sweep(tmp_path / "whole", 0)
    assert whole["codes"] == [0], whole["shown"]
    killed = sweep(tmp_path / "killed", KILLS)
    *kills, last = killed["codes"]
    assert last == 0, killed["shown"]
    assert set(kills) == {-signal.SIGKILL}
    assert len(kills) >= KILLS - 2
    assert killed["computed_again"] == []
    runs = sorted(path.name for path in (tmp_path / "whole").iterdir() if path.is_dir())
    assert runs == sorted(path.name for path in (tmp_path / "killed").iterdir() if path.is_dir())
    assert len(runs) == 2 * SEEDS
    for name in runs:
        expected, found = outcome(tmp_path / "whole" / name), outcome(tmp_path / "killed" / name)
        for one, other in zip(found, expected, strict=True):
            if isinstance(one, dict) and any(isinstance(value, torch.Tensor) for value in one.values()):
                assert all(torch.equal(value, other[key]) for key, value in one.items()), name
            else:
                assert one == other, name
    left = [path.name for path in (tmp_path / "killed").rglob(".*") if path.is_file() and path.name != ".lock"]
    assert left == []
