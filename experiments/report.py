"""A sweep as one HTML page, report.html, beside its runs: tables, figures, configurations, links to the logs."""

import sys

from difftv.lab.cli.report import main

if __name__ == "__main__":
    sys.exit(main())
