"""Where every run of a sweep stands: state, progress, time left, PSNR so far, errors."""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import sys

from difftv.lab.cli.status import main

if __name__ == "__main__":
    sys.exit(main())
