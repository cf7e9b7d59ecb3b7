"""A finished run as one file that can be shipped: NAME.safetensors with its weights and its card, and NAME.md."""

import sys

from difftv.lab.cli.export import main

if __name__ == "__main__":
    sys.exit(main())
