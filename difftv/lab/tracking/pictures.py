"""Figures and tables in the forms that trackers take."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from difftv.lab.tracking.contract import Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image


def picture(figure: "Figure") -> "Image":
    """A figure as a Pillow image, RGBA."""
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer)


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table as CSV; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str | int | float | bool]:
    """Dotted keys and values of a nested configuration; what is no plain value is written as text."""
    found: dict[str, str | int | float | bool] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value if isinstance(value, str | int | float) else str(value)
    return found
