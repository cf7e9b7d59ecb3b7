"""A Ray cluster of one machine in one folder, for as long as a block runs, with a secret of its own."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil


class UnavailableError(Exception):
    """Ray does not start here; the message says why."""


@contextlib.contextmanager
def ray_cluster(cpus: int = 2, seconds: float = 90.0) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Its address and the environment variables of its clients.

    Raises:
        UnavailableError: it does not come up.
    """
    # Ray puts sockets into it, whose paths must be short.
    directory = Path(tempfile.mkdtemp(prefix="ray-"))
    token = directory / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    # Not from the project, so that a relative path which leaks into a job is seen.
    with (directory / "head.log").open("wb") as output:
        head = subprocess.Popen(
            [
                *[
                    sys.executable,
                    "-m",
                    "ray.scripts.scripts",
                    "start",
                    "--head",
                    "--block",
                    "--node-ip-address=127.0.0.1",
                ],
                *[f"--port={address.rpartition(':')[2]}", f"--num-cpus={cpus}", "--object-store-memory=100000000"],
                *["--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={directory}"],
            ],
            cwd=directory,
            env={**os.environ, **variables, "RAY_LOG_TO_STDERR": "0"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + seconds
        while "Ray runtime started" not in (shown := (directory / "head.log").read_text()):
            if head.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError(f"Ray does not come up:\n{shown[-2000:]}")
            time.sleep(0.2)
        yield address, variables
    finally:
        everything = [psutil.Process(head.pid), *psutil.Process(head.pid).children(recursive=True)]
        head.terminate()
        _, alive = psutil.wait_procs(everything, timeout=20)
        for process in alive:
            process.kill()
        head.wait()
        shutil.rmtree(directory, ignore_errors=True)
