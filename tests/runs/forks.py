"""Many command lines one after the other, each in a process of its own, without importing torch for each of them.

A parent imports everything once and computes nothing; every command line runs in a fork of it, which may be killed.
Started with a request as its argument it carries out a sweep again and again; without one it reads a command per line.
"""

import atexit
import contextlib
import importlib
import json
import os
import random
import runpy
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from difftv.solvers.exact import taut_strings
from difftv.solvers.exact.merge_split.gradient import gradient

SHARED = (
    "difftv.lab.runs.job",
    "difftv.lab.runs.app",
    "hydra.main",
    "torch._dynamo",
    "skimage.data",
    "skimage.restoration",
    "cvxpylayers.torch",
    "difftv.lab.data.sample",
    "difftv.lab.losses",
    "difftv.lab.runs.search.sweeper",
    "difftv.lab.tracking.none",
)
"""What every fork shares. The optimizers of torch import torch._dynamo, which takes longer than many a command."""


class KillSwitch:
    """Kills its own process with SIGKILL at the given file operation below a directory, or shortly after it.

    Opening, renaming, linking and removing are what a run does between any two steps, and what must never be seen half
    done.
    """

    def __init__(self, directory: Path, operations: int, delay: float) -> None:
        self.directory, self.left, self.delay = str(directory), operations, delay

    def __call__(self, event: str, arguments: tuple) -> None:
        if event not in ("open", "os.rename", "os.link", "os.remove", "os.mkdir"):
            return
        if not str(arguments[0]).startswith(self.directory):
            return
        self.left -= 1
        if self.left == 0:
            if self.delay:
                threading.Thread(target=self._later, daemon=True).start()
            else:
                os.kill(os.getpid(), signal.SIGKILL)

    def _later(self) -> None:
        time.sleep(self.delay)
        os.kill(os.getpid(), signal.SIGKILL)


PRELUDE: dict = {}
"""The names of a prelude, kept to the end of the process."""

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "run.py"


def carry_out(
    arguments: list[str],
    shown: Path,
    kill_switch: KillSwitch | None = None,
    prelude: str = "",
    errors: Path | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Run `experiments/run.py ARGUMENTS` in a fork: its exit code, negative for a signal.

    It writes to `shown`, and what it writes to its standard error to `errors` where that is another file.
    """
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            with Path(os.devnull).open("rb") as nothing:
                os.dup2(nothing.fileno(), 0)
            for number, path in ((1, shown), (2, errors or shown)):
                with path.open("ab") as file:
                    os.dup2(file.fileno(), number)
            # A shell that starts the tests in the background leaves SIGINT ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.environ.update(environment)
            sys.argv = [str(SCRIPT), *arguments]
            exec(prelude, PRELUDE)
            if kill_switch is not None:
                sys.addaudithook(kill_switch)
            runpy.run_path(str(SCRIPT), run_name="__main__")
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
            if isinstance(leaving.code, str):
                print(leaving.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        finally:
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def torture(arguments: list[str], directory: Path, runs: int, kills: int, seed: int, operations: int) -> dict:
    """Start a sweep again and again, killed each time but the last; what happened, as plain containers.

    The kills are spread over the whole sweep, given about how many file operations a run makes.
    """
    draw = random.Random(seed)
    codes: list[int] = []
    finished: dict[str, tuple[int, int]] = {}
    computed_again: list[str] = []
    shown = directory.with_suffix(".log")

    def look() -> None:
        for path in directory.glob("*/result.json"):
            facts = (path.stat().st_ino, path.stat().st_mtime_ns)
            if finished.setdefault(path.parent.name, facts) != facts:
                computed_again.append(path.parent.name)

    while not codes or codes[-1] != 0:
        kill_switch = None
        if len(codes) < kills:
            left = (runs - len(finished)) * operations / (kills - len(codes))
            kill_switch = KillSwitch(
                directory, draw.randint(1, max(2, round(2 * left))), draw.choice([0.0, draw.uniform(0, 0.05)])
            )
        codes.append(carry_out(arguments, shown, kill_switch))
        look()
        if kill_switch is None:
            break
    return {"codes": codes, "computed_again": computed_again, "shown": shown.read_text(errors="replace")}


def serve() -> None:
    """Carry out the commands that come as lines of JSON, and answer each with its exit code."""
    for line in sys.stdin:
        request = json.loads(line)
        code = carry_out(
            request["arguments"],
            Path(request["shown"]),
            prelude=request["prelude"],
            errors=Path(request["errors"]),
            environment=request["environment"],
        )
        print(code, flush=True)


def load_kernels() -> None:
    """Solve six pixels in NumPy, which starts no threads: to load its kernels takes a quarter of a short run."""
    image, lam = np.eye(2, 3), np.ones((2, 3))
    answer = taut_strings.solve_image(image, lam, lam, np.empty_like(image), 1e-10, 10, None, 1)
    gradient(image, answer.sign, answer.label, np.empty_like(image), np.zeros((2, 2, 3)))


def main() -> None:
    for name in SHARED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # Lazy: it imports matplotlib.
    importlib.import_module("difftv.lab.figures").comparison_strip  # noqa: B018
    load_kernels()
    if len(sys.argv) == 1:
        serve()
    else:
        request = json.loads(sys.argv[1])
        print(json.dumps(torture(request["arguments"], Path(request["directory"]), *request["how"])))


if __name__ == "__main__":
    main()
