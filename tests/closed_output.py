"""A command whose output is closed before it prints, as by `| head` when it leaves."""

import os
import subprocess
import sys
from pathlib import Path


def run_with_closed_output(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`python SCRIPT ARGUMENTS` with a stdout that nobody reads; stderr comes back."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, str(script), *map(str, arguments)],
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        os.close(writer)


def run_redirected(redirection: str, script: Path, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    """`python SCRIPT ARGUMENTS REDIRECTION` in a shell, as `2>&-`."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=300, check=False)
