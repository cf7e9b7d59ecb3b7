"""What makes two runs the same run: a hash of the configuration without what cannot change the result, and of the
images instead of their path."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from difftv.arguments import EARLIER_KEYS
from difftv.lab.rundir.layout import NEUTRAL, PLACES, has_no_effect
from difftv.lab.runs.config import leaves

SCHEME = 2
"""Raised whenever the same configuration would hash differently; part of the hash, and recorded with the result."""

EARLIER = {"difftv.solvers.Exact": "difftv.solvers.TautString"}
"""Classes that have another name today -> their earlier one, under which the hash knows them."""

TODAY = "difftv.lab"
"""Where packages are that were in `difftv` itself; a class under either path is one class."""

HASHED_AS = {now: earlier for earlier, now in EARLIER_KEYS.items()}

LONGEST_NAME = 120
"""Characters of the readable part; file systems allow 255 bytes in all."""


def identity(config: dict[str, Any], images: str, models: Mapping[str, str] | None = None) -> str:
    """Twelve hexadecimal digits for a run.

    The order of the keys does not matter, nor does a key of `WITHOUT_EFFECT` or one of `NEUTRAL` at its value there
    (difftv/lab/rundir/layout.py).

    Args:
        config: the resolved configuration (plain containers, without Hydra's own node).
        images: content identity of the images (`difftv.lab.data.fingerprint`); it stands for the keys of `PLACES`.
        models: content of the stored models by the keys that name them (`MODELS`), where they name any.
    """
    what = [SCHEME, what_counts(config), images, *([dict(models)] if models else [])]
    text = json.dumps(what, sort_keys=True, ensure_ascii=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def what_counts(config: dict[str, Any]) -> dict[str, Any]:
    """The values of a resolved configuration that enter the identity, by dotted key (by its first name)."""
    kept = {key: _plain(value) for key, value in leaves(config) if not _left_out(key)}
    return {
        HASHED_AS.get(key, key): value
        for key, value in kept.items()
        if key not in NEUTRAL or value != _plain(NEUTRAL[key])
    }


def readable_name(overrides: Sequence[str], digest: str) -> str:
    """`solver=scs,sigma=25-<digest>`: the command line's overrides, made safe for file systems, and the identity."""
    kept = [override.lstrip("+~") for override in overrides if not _left_out(override.lstrip("+~").split("=")[0])]
    # Groups and top-level keys first: what a long command line loses is then the least telling.
    ordered = sorted(kept, key=lambda override: ("." in override.partition("=")[0], override))
    words = re.sub(r"[^A-Za-z0-9=,._-]+", "_", ",".join(ordered))[:LONGEST_NAME].strip(",._-")
    return f"{words or 'default'}-{digest}"


def _left_out(key: str) -> bool:
    return has_no_effect(key) or key in PLACES


def _plain(value: Any) -> Any:
    """sigma=25 and sigma=25.0 are the same run, and so are a class's import path of today and of earlier versions."""
    if isinstance(value, str):
        value = EARLIER.get(value, value)
        return value.replace(f"{TODAY}.", "difftv.") if value.startswith(f"{TODAY}.") else value
    return int(value) if isinstance(value, float) and value.is_integer() else value
