"""The command of a run as anybody may read it: without the places, names and settings of one machine."""

import getpass
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from difftv.lab.rundir.layout import PLACES, has_no_effect

SCRIPT = "python experiments/run.py"


def redact_command(words: Iterable[str]) -> str:
    """The command that trains the same run elsewhere.

    Words for Hydra itself and keys that cannot change the result are left out (trackers with their users, caches,
    devices, folders); a place becomes path/to/ and its last name.

    Args:
        words: words of the command line, as a checkpoint keeps them: key=value, or ~key.
    """
    return " ".join([SCRIPT, *(shlex.quote(_public(word)) for word in words if _is_kept(word))])


def redact_place(value: str) -> str:
    """path/to/ and the last name of a place; path/to/images where that is the user's own name, or there is none."""
    name = re.split(r"[/\\]", value.strip().strip("'\"").rstrip("/\\"))[-1]
    return f"path/to/{'images' if not re.search(r'[A-Za-z0-9]', name) or name in _own_names() else name}"


def _is_kept(word: str) -> bool:
    key = word.partition("=")[0].lstrip("+~")
    # A group (tracker=none) has the name of its node, with a slash where the node has a dot.
    dotted = key.partition("@")[0].replace("/", ".")
    changes = "=" in word or word.startswith("~")  # ~predictor.levels takes a key away
    return changes and not dotted.startswith("hydra") and not has_no_effect(dotted)


def _public(word: str) -> str:
    key, _, value = word.partition("=")
    if key.lstrip("+") in PLACES or re.search(r"[/\\~]|\$\{", value):
        return f"{key}={redact_place(value)}"
    return word


def _own_names() -> set[str]:
    try:
        return {getpass.getuser(), Path.home().name}
    except (OSError, KeyError, RuntimeError):
        return set()
