"""Another process that works on a run."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from difftv.lab.runs.directory import RunDirectory
from tests.conftest import PROJECT

HOLDER = """
import sys, time
from pathlib import Path
from difftv.lab.runs.directory import RunDirectory
directory = RunDirectory(Path(sys.argv[1]), "abc")
with directory.claim():
    directory.write_status("running", epochs=2, epoch=1)
    print("held", flush=True)
    time.sleep(100)
"""


@contextmanager
def holder(directory: RunDirectory) -> Iterator[subprocess.Popen[str]]:
    """Another process that works on the run."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory.path)], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
