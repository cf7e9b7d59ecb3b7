"""Measure a stored model on clean images, whole, under the protocol of published tables."""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import sys

from difftv.lab.cli.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
