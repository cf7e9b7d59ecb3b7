"""The command line, as a user types it, on a run of a few seconds."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import PROJECT

SMALL = [
    "data=sample",
    "tracker=none",
    "patch_size=8",
    "trainer.epochs=2",
    "trainer.batch_size=3",
    "evaluation.validation_images=2",
    "evaluation.test_images=2",
    "evaluation.search_images=2",
    "evaluation.refinements=1",
    "optimizer.lr=1e-2",
    "scheduler=cosine",
    "trainer.checkpoint_seconds=0",
]
"""Two epochs of three steps."""


def run(*arguments: str, prelude: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`python experiments/run.py ARGUMENTS`, with `prelude` executed in the same interpreter before it."""
    script = PROJECT / "experiments" / "run.py"
    code = (
        f"import runpy, sys\n{prelude}\nsys.argv = {[str(script), *arguments]!r}\n"
        f"sys.path[0] = {str(script.parent)!r}\nrunpy.run_path({str(script)!r}, run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=cwd or PROJECT,
        env={**os.environ, "WANDB_MODE": "disabled"},
        timeout=300,
        check=False,
    )


def killed(done: subprocess.CompletedProcess[str]) -> bool:
    return done.returncode == -signal.SIGKILL
