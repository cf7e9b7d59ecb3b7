"""A saved W&B view that compares the runs of a sweep."""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import sys

from difftv.lab.cli.dashboard import main

if __name__ == "__main__":
    sys.exit(main())
