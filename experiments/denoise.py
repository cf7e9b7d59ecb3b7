"""Denoise image files, whole and of any size, with a shipped model, a model file, or the network of a finished run."""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import sys

from difftv.lab.cli.denoise import main

if __name__ == "__main__":
    sys.exit(main())
