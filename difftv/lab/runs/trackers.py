"""`tracker=wandb`, and `tracker=[wandb,tensorboard]`, of which Hydra makes one node with the keys of both."""

from collections.abc import Mapping
from typing import Any

from difftv.errors import ConfigError
from difftv.lab.runs.nodes import OF_HYDRA, Node, unread

KINDS = "trackers"
"""Key under which every option of the group has its word and its class, all of which survive a merge."""

SEVERAL = "difftv.lab.tracking.several.Several"


def tracker_node(values: Mapping[str, Any]) -> Node:
    """The node of one tracker, or of several; each of several gets the keys that its class takes.

    Raises:
        ConfigError: a key that no chosen tracker takes, or one of them cannot be made with its keys.
    """
    kinds, own = values.get(KINDS), {name: value for name, value in values.items() if name != KINDS}
    if not isinstance(kinds, Mapping) or len(kinds) < 2:
        return Node("tracker", own)
    if own.get("_target_") not in kinds.values():
        raise ConfigError(
            f"tracker._target_={own.get('_target_')} belongs to one tracker, but {', '.join(kinds)} were chosen. "
            "Choose one, or leave tracker._target_ out."
        )
    arguments = {name: value for name, value in own.items() if name not in OF_HYDRA}
    parts, taken = [], set()
    for target in kinds.values():
        names = Node("tracker", {"_target_": target}).arguments()
        part = {"_target_": target} | {name: value for name, value in arguments.items() if name in names}
        Node("tracker", part).check()
        parts.append(part)
        taken |= {*names}
    for name, value in arguments.items():
        if name not in taken:
            raise ConfigError(unread(f"tracker.{name}", value, {f"tracker.{known}" for known in taken}))
    return Node("tracker", {"_target_": SEVERAL, KINDS: parts})
