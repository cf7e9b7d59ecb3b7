"""Denoise image files, whole and of any size, with a shipped model, a model file, or the network of a finished run."""

import sys

from difftv.lab.cli.denoise import main

if __name__ == "__main__":
    sys.exit(main())
