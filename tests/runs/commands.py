"""The command line, as a user types it, on a run of a few seconds."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

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


def run(
    *arguments: str, prelude: str = "", environment: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
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
        cwd=PROJECT,
        env={**os.environ, **environment},
        timeout=300,
        check=False,
    )


def ask_forks(request: Mapping[str, Any], *, timeout: float) -> Any:
    """What `tests.runs.forks` answers."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.runs.forks", json.dumps(request)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run_in_forks(commands: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[int, str]]:
    """Exit code and everything shown of command lines, each with a prelude and in a process of its own, in order."""
    request = {"commands": [(prelude, list(arguments)) for prelude, arguments in commands]}
    return [(code, shown) for code, shown in ask_forks(request, timeout=60 + 60 * len(commands))]


def killed(done: subprocess.CompletedProcess[str]) -> bool:
    return done.returncode == -signal.SIGKILL


def run_each(commands: list[list[str]]) -> list[tuple[str, str]]:
    """Exit code and everything shown of several command lines, one after the other in one interpreter.

    Starting Python and importing torch takes longer than most mistakes do.
    """
    script = PROJECT / "experiments" / "run.py"
    code = f"""
import contextlib, io, logging, runpy, sys
sys.path.insert(0, {str(script.parent)!r})
for command in {commands!r}:
    sys.argv = [{str(script)!r}, *command]
    shown, code = io.StringIO(), 0
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        try:
            runpy.run_path({str(script)!r}, run_name="__main__")
        except SystemExit as error:
            code = error.code
            if isinstance(code, str):
                shown.write(code)
                code = 1
    logging.shutdown()
    logging.getLogger().handlers.clear()
    sys.stdout.write(f"{{code}}\\0{{shown.getvalue()}}\\1")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, timeout=600, check=True
    )
    answers = [answer.split("\0", 1) for answer in done.stdout.split("\1")[:-1]]
    assert len(answers) == len(commands)
    return [(code, shown) for code, shown in answers]
