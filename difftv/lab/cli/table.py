"""Ablation table of a sweep, from what its runs left on disk.

python experiments/table.py outputs/<sweep>
python experiments/table.py outputs/<sweep> --rows solver solver.eps --columns sigma --metric psnr stair/plateau_excess
python experiments/table.py outputs/<sweep> --rows solver --reference ecos --subset predictor=cnn sigma=15,25

Writes table.md, table.csv and table.tex beside the runs and prints the Markdown.
"""

import argparse
import sys
from collections.abc import Sequence

from difftv.lab.cli.command import command
from difftv.lab.report import absent_list, build_table, read_sweep, to_csv, to_latex, to_markdown, write_beside_runs
from difftv.lab.report.arguments import table_parser, words
from difftv.printing import print_safely


def subset(text: str) -> tuple[str, list[str]]:
    key, equals, values = text.partition("=")
    if not (key and equals and values):
        raise argparse.ArgumentTypeError(f"expected key=value, got {text!r}")
    return key, values.split(",")


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = table_parser(__doc__)
    parser.add_argument("--subset", type=subset, nargs="+", default=[], metavar="KEY=VALUE", help="only these runs")
    options = parser.parse_args(arguments)
    try:
        sweep = read_sweep(options.sweep)
        if not sweep.runs:
            print_safely(f"No run of {options.sweep} has finished yet.\n\n{absent_list(sweep.absent)}")
            return 2
        table = build_table(
            sweep,
            rows=words(options.rows),
            columns=words(options.columns),
            metrics=None if options.metric is None else words(options.metric),
            reference=options.reference,
            subset=dict(options.subset),
            seeds=options.seeds,
        )
    except ValueError as error:
        print_safely(f"{parser.prog}: {error}", error=True)
        return 2
    markdown = to_markdown(table)
    contents = {"table.md": markdown, "table.csv": to_csv(table), "table.tex": to_latex(table)}
    written = write_beside_runs(options.sweep, contents)  # first: the reader of the output may close it early
    print_safely(markdown)
    print_safely(written, error=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
