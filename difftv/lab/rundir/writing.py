"""What a run's JSON files hold: the other side of `difftv.lab.rundir.reading.numbers`."""

import math
from collections.abc import Mapping
from typing import Any


def json_value(value: Any) -> Any:
    """The value as JSON has it, which has no NaN and no infinity: null and the strings "Infinity", "-Infinity"."""
    if isinstance(value, Mapping):
        return {str(key): json_value(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value
