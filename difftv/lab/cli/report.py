"""A sweep as one HTML page, report.html, beside its runs: tables, figures, configurations, links to the logs.

python experiments/report.py outputs/<sweep>
python experiments/report.py outputs/<sweep> --rows solver predictor --metric psnr stair/plateau_excess

The page needs no network and no account, and can be mailed as it is.
"""

import sys
from collections.abc import Sequence

from difftv.arguments import path_argument
from difftv.files import write_atomically
from difftv.lab.cli.command import command
from difftv.lab.report import build_table, read_sweep
from difftv.lab.report.arguments import table_parser, words
from difftv.lab.report.page import to_html
from difftv.printing import print_safely


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = table_parser(__doc__)
    parser.add_argument("--output", type=path_argument, help="where the page goes (default: report.html in the sweep)")
    options = parser.parse_args(arguments)
    output = options.output or options.sweep / "report.html"
    try:
        sweep = read_sweep(options.sweep)
        table = None
        if sweep.runs:
            rows, columns = words(options.rows), words(options.columns)
            metrics = None if options.metric is None else words(options.metric)
            table = build_table(
                sweep,
                rows=rows,
                columns=columns,
                metrics=metrics,
                reference=options.reference,
                seeds=options.seeds,
            )
    except ValueError as error:
        print_safely(f"{parser.prog}: {error}", error=True)
        return 2
    try:
        write_atomically(output, to_html(sweep, table, seeds=options.seeds))
    except OSError as error:
        print_safely(f"{parser.prog}: {output} cannot be written ({error.strerror}): give --output PATH", error=True)
        return 1
    print_safely(f"Written: {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
