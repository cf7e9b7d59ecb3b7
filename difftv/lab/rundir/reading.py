"""The files of a run, read as untrusted: they may be incomplete, of another version, or another program's."""

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from difftv.extras import require
from difftv.printing import printable_within


class UnreadableError(Exception):
    """A file of a run is missing, cut off, or not what it should be; the message goes into the table's footnote."""


class ShapeError(UnreadableError):
    """A file is whole, but holds something else than a run writes there."""


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UnreadableError(f"{path.name} is missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(f"{path.name} cannot be read: {error}") from error


def read_json(path: Path) -> Mapping[str, Any]:
    """The object in a JSON file; its strings are fit for any UTF-8 file or terminal.

    Raises:
        ShapeError: it holds no object; naming the file.
        UnreadableError: any other reason; naming the file.
    """
    try:
        content = printable_within(json.loads(_read_text(path)))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{path.name} is cut off or no JSON: {error}") from error
    if not isinstance(content, Mapping):
        raise ShapeError(f"{path.name} holds a {type(content).__name__}, expected an object")
    return content


def read_yaml(path: Path) -> Mapping[str, Any]:
    """The mapping in a YAML file, by the safe loader; its strings are fit for any UTF-8 file or terminal.

    Raises:
        UnreadableError: naming the file.
        MissingDependencyError: pyyaml is not installed.
    """
    require("train", "yaml", by="A run's configuration")
    import yaml

    try:
        content = printable_within(yaml.safe_load(_read_text(path)))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2026-13-45
        raise UnreadableError(f"{path.name} is cut off or no YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(content, Mapping):
        raise ShapeError(f"{path.name} holds no keys")
    return content


def read_images(path: Path, column: str = "image") -> dict[str, dict[str, float]]:
    """Image -> metric -> value of a per_image.csv; an empty cell is NaN. The names stand in the column of that name.

    Raises:
        UnreadableError: naming the file.
    """
    rows = csv.DictReader(io.StringIO(_read_text(path), newline=""))
    if column not in (rows.fieldnames or ()):
        raise UnreadableError(f"{path.name} has no column {column}")
    images = {}
    for row in rows:
        name = row.pop(column)
        if None in row or None in row.values() or name in images:
            raise UnreadableError(f"{path.name} is cut off or holds an image twice")
        images[name] = numbers(row)
    return images


def read_epochs(path: Path) -> list[dict[str, float]]:
    """The epochs of a metrics.jsonl; lines that cannot be read (a last one cut off, for example) are left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    epochs = []
    for line in lines:
        try:
            epochs.append(numbers(json.loads(line)))
        except (ValueError, RecursionError):
            continue
    return epochs


def numbers(values: Any) -> dict[str, float]:
    """The numbers among the values; null and an empty cell are NaN, "Infinity" is what it says, other text is left out.

    Raises:
        ValueError: the values are no mapping.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"expected an object of numbers, got {type(values).__name__}.")
    found = {}
    for name, value in values.items():
        try:
            found[str(name)] = math.nan if value in (None, "") else float(value)
        except (TypeError, ValueError):
            continue
    return found
