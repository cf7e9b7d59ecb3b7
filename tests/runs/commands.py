"""The command line, as a user types it, on a run of a few seconds."""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
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
    "evaluation.figures=0",
    "optimizer.lr=1e-2",
    "scheduler=cosine",
    "trainer.checkpoint_seconds=0",
]
"""Two epochs of three steps."""


class _Forks:
    """A process that has imported everything, and carries out command lines in forks of itself, one at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[str] | None = None

    def code(self, request: Mapping[str, Any], seconds: float) -> int:
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "tests.runs.forks"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=PROJECT,
                    env={**os.environ, "PYTHONPATH": str(PROJECT)},
                    start_new_session=True,
                )
                atexit.register(self.stop)
            process = self.process
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            timer = threading.Timer(seconds, self.stop)
            timer.start()
            answer = process.stdout.readline()
            timer.cancel()
            assert answer, f"{request['arguments']} has not ended after {seconds:g} s, or its parent was killed"
            return int(answer)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


_forks = _Forks()


def run(
    *arguments: str, prelude: str = "", environment: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """`python experiments/run.py ARGUMENTS`, with `prelude` executed in the same process before it.

    The process is a fork of one that has imported everything and computed nothing.
    """
    with tempfile.TemporaryDirectory() as place:
        shown, errors = Path(place, "stdout"), Path(place, "stderr")
        request = {
            "arguments": list(map(str, arguments)),
            "prelude": prelude,
            "environment": dict(environment),
            "shown": str(shown),
            "errors": str(errors),
        }
        code = _forks.code(request, seconds=300)
        texts = (path.read_text(errors="replace") for path in (shown, errors))
        return subprocess.CompletedProcess(list(arguments), code, *texts)


def run_alone(*arguments: str, prelude: str = "") -> subprocess.CompletedProcess[str]:
    """The same in a new interpreter, which has imported nothing."""
    script = PROJECT / "experiments" / "run.py"
    code = (
        f"import runpy, sys\n{prelude}\nsys.argv = {[str(script), *arguments]!r}\n"
        f"sys.path[0] = {str(script.parent)!r}\nrunpy.run_path({str(script)!r}, run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, timeout=300, check=False
    )


def tortured(request: Mapping[str, Any], *, timeout: float) -> Any:
    """What `tests.runs.forks.torture` answers."""
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


def killed(done: subprocess.CompletedProcess[str]) -> bool:
    return done.returncode == -signal.SIGKILL


def run_each(commands: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[int, str]]:
    """Exit code and everything shown of several command lines, each with its prelude."""
    answers = (run(*arguments, prelude=prelude) for prelude, arguments in commands)
    return [(done.returncode, done.stdout + done.stderr) for done in answers]
