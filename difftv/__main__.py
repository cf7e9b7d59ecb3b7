"""`python -m difftv` is `difftv-denoise`."""

import sys

from difftv.lab.cli.denoise import main

if __name__ == "__main__":
    sys.exit(main())
