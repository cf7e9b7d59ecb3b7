"""A finished run as one file that can be shipped: NAME.safetensors with its weights and its card, and NAME.md."""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import sys

from difftv.lab.cli.export import main

if __name__ == "__main__":
    sys.exit(main())
