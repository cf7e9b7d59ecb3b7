"""What the command lines that build a table have in common."""

import argparse
from collections.abc import Sequence

from difftv.arguments import path_argument


def table_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that knows the sweep and which table to make of it: rows, columns, metrics, reference."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=path_argument, help="directory of the sweep, outputs/<sweep>")
    parser.add_argument("--rows", nargs="+", default=[], help="keys of the configuration (default: those that differ)")
    parser.add_argument("--columns", nargs="*", default=["sigma"], help="likewise (default: sigma)")
    parser.add_argument(
        "--metric", nargs="+", default=None, help="default: psnr ssim; estimated_mse loss without clean images"
    )
    parser.add_argument("--reference", help="row value, or a line such as 'scalar lambda', to take differences to")
    parser.add_argument(
        "--seeds",
        choices=["join", "each"],
        default="join",
        help="runs that differ in the seed alone: join = mean, standard deviation and number (default); each = apart",
    )
    return parser


def words(texts: Sequence[str]) -> list[str]:
    """The words of a list option, which may be separated by spaces or by commas."""
    return [word for text in texts for word in text.split(",") if word]
