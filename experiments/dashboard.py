"""A saved W&B view that compares the runs of a sweep."""

import sys

from difftv.lab.cli.dashboard import main

if __name__ == "__main__":
    sys.exit(main())
