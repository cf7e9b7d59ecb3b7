"""A sweep as one HTML page, report.html, beside its runs: tables, figures, configurations, links to the logs."""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import sys

from difftv.lab.cli.report import main

if __name__ == "__main__":
    sys.exit(main())
