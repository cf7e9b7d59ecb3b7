"""Ablation table of a sweep, from what its runs left on disk."""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import sys

from difftv.lab.cli.table import main

if __name__ == "__main__":
    sys.exit(main())
