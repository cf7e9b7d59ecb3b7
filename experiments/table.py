"""Ablation table of a sweep, from what its runs left on disk."""

import sys

from difftv.lab.cli.table import main

if __name__ == "__main__":
    sys.exit(main())
