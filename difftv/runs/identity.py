"""What makes two runs the same run: a hash of the configuration without what cannot change the result."""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

SCHEME = 1
"""Raised whenever the same configuration would hash differently; it is part of the hash."""

EXCLUDED = {
    "sweep": "names the folder",
    "tracker": "shows numbers, does not make them",
    "trainer.device": "where the predictor runs",
    "trainer.checkpoint_seconds": "a resumed run ends with the same bits wherever it was cut",
    "data.cache_dir": "where decoded images are kept",
    "data.download": "how the images came",
    "data.source.download": "how the images came",
}
"""Configuration keys that cannot change the result, each with the reason."""

LONGEST_NAME = 120
"""Characters of the readable part; file systems allow 255 bytes in all."""


def identity(config: dict[str, Any]) -> str:
    """Twelve hexadecimal digits for a resolved configuration (plain containers, without Hydra's own node).

    The order of the keys does not matter; a key in `EXCLUDED` does not either.
    """
    semantic = {key: value for key, value in sorted(_leaves(config)) if not _excluded(key)}
    text = json.dumps([SCHEME, semantic], sort_keys=True, ensure_ascii=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def readable_name(overrides: Sequence[str], digest: str) -> str:
    """`solver=scs,sigma=25-<digest>`: the command line's overrides, made safe for file systems, and the identity."""
    kept = [override.lstrip("+~") for override in overrides if not _excluded(override.lstrip("+~").split("=")[0])]
    words = re.sub(r"[^A-Za-z0-9=,._-]+", "_", ",".join(sorted(kept)))[:LONGEST_NAME].strip(",._-")
    return f"{words or 'default'}-{digest}"


def _excluded(key: str) -> bool:
    return any(key == excluded or key.startswith(f"{excluded}.") for excluded in EXCLUDED)


def _leaves(node: Any, prefix: str = "") -> list[tuple[str, Any]]:
    if isinstance(node, float) and node.is_integer():
        node = int(node)  # sigma=25 and sigma=25.0 are the same run
    if isinstance(node, dict) and node:
        return [
            leaf for key, value in node.items() for leaf in _leaves(value, f"{prefix}.{key}" if prefix else str(key))
        ]
    return [(prefix, node)]
