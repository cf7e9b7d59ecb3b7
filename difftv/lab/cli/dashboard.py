"""A saved W&B view that compares the runs of a sweep.

python experiments/dashboard.py outputs/<sweep>
python experiments/dashboard.py outputs/<sweep> --entity my-team --project diff-tv-net

Needs the extra `dashboard`. Without a login the view is written to dashboard.json beside the runs.
"""

import argparse
import sys
from collections.abc import Sequence

from difftv.arguments import path_argument
from difftv.errors import DiffTVError
from difftv.lab.cli.command import command
from difftv.lab.tracking.dashboard import publish
from difftv.printing import print_safely


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=path_argument, help="directory of the sweep, outputs/<sweep>")
    parser.add_argument("--entity", help="W&B user or team (default: the account's)")
    parser.add_argument("--project", default="diff-tv-net", help="W&B project of the runs (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        published = publish(options.sweep, project=options.project, entity=options.entity)
    except DiffTVError as error:
        print_safely(f"{parser.prog}: {error}", error=True)
        return 2
    if published.url:
        print_safely(published.url)
    else:
        print_safely(
            f"Not saved to W&B: {published.why_not}. The view is in {published.file}; run this again to save it."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
