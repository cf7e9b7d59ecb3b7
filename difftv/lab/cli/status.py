"""Where every run of a sweep stands: state, progress, time left, PSNR so far, errors.

python experiments/status.py outputs/<sweep>
python experiments/status.py outputs/<sweep> --watch         # again every 5 seconds, until no run is at work or queued

Reads what the runs leave on the disk and nothing else, so it works under every launcher and from every machine that
sees the directory. `lost` means: status.json says running, but the process has ended, or has been silent for minutes on
another machine.
"""

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from difftv.arguments import path_argument, positive
from difftv.lab.cli.command import command
from difftv.lab.report.status import read_statuses, to_text
from difftv.lab.rundir.status import OPEN
from difftv.printing import print_safely

CLEAR = "\x1b[H\x1b[J"
SECONDS = 5.0


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=path_argument, help="directory of the sweep, outputs/<sweep>, or of one run")
    parser.add_argument("--watch", type=float, nargs="?", const=SECONDS, metavar="SECONDS", help="look again (5 s)")
    options = parser.parse_args(arguments)
    try:
        pause = 0.0 if options.watch is None else positive("--watch", options.watch)
        while _show(options.sweep, watch=pause > 0) and pause:
            time.sleep(pause)
    except ValueError as error:
        print_safely(f"{parser.prog}: {error}", error=True)
        return 2
    except KeyboardInterrupt:
        print_safely("")
    return 0


def _show(sweep: Path, *, watch: bool) -> bool:
    """Print once; whether anything can still change and the output is still read."""
    runs = read_statuses(sweep)
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else None
    text = to_text(sweep.resolve().name, runs, width=width, colour=terminal and "NO_COLOR" not in os.environ)
    read = print_safely((CLEAR if terminal and watch else "") + text + ("" if terminal or not watch else "\n"))
    return read and any(run.state in OPEN for run in runs)


if __name__ == "__main__":
    sys.exit(main())
