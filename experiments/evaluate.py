"""Measure a stored model on clean images, whole, under the protocol of published tables."""

import sys

from difftv.lab.cli.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
