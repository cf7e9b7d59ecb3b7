"""Where every run of a sweep stands: state, progress, time left, PSNR so far, errors."""

import sys

from difftv.lab.cli.status import main

if __name__ == "__main__":
    sys.exit(main())
