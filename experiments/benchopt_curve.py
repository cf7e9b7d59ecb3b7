"""Draw what benchopt has measured: the objective above the best one, against seconds, both logarithmic.

benchopt run benchmarks/benchopt --no-plot --output curve
python experiments/benchopt_curve.py benchmarks/benchopt/outputs/curve.parquet curve.png

The first command runs the solvers of this package beside others on a small photograph (extra benchopt). Any result of
benchopt can be drawn, also one of its own benchmark_tv_2d.
"""

import difftv.lab.cli.entry  # noqa: F401, I001  # first: Ctrl-C ends the command with a line while the rest loads

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.convergence import convergence_figure, read_curves
from difftv.arguments import path_argument
from difftv.errors import DiffTVError
from difftv.lab.figures import save_figure
from difftv.lab.cli.command import command
from difftv.printing import print_safely


@command
def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=path_argument, help="the .parquet file that benchopt has written")
    parser.add_argument("figure", type=path_argument, help="what is written: .png, .pdf or .svg")
    options = parser.parse_args(arguments)
    figure: Path = options.figure
    if figure.suffix not in (".png", ".pdf", ".svg"):
        parser.error(f"{figure} must end in .png, .pdf or .svg")
    try:
        curves = read_curves(options.result)
        save_figure(convergence_figure(curves), figure)
    except (DiffTVError, OSError) as error:
        print_safely(f"{parser.prog}: {error}", error=True)
        return 2
    for problem, solvers in curves.items():
        print_safely(", ".join(problem))
        for solver, points in solvers.items():
            last = points[-1]
            print_safely(f"  {solver}: {last.excess:.1e} above the best after {last.seconds:.3g} s")
    print_safely(f"Written: {figure}", error=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
