"""The W&B package as this process may use it: imported late, silent, and asked whether it has a login that works."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Literal

from difftv.extras import require


def quiet_wandb() -> ModuleType:
    """The package, which takes 0.7 s to import and starts a background process: hence never at import of `difftv`."""
    require("train", "wandb", by="tracker=wandb")
    # Its telemetry prints a line for every failed upload, and holds up the exit of the process without a network.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    wandb.setup(wandb.Settings(silent=True))
    return wandb


@contextmanager
def debug_log_inside(directory: Path) -> Iterator[None]:
    """Where W&B's background process starts in this block, its debug log goes to `<directory>/wandb/logs`.

    It would go to the home directory otherwise; WANDB_CACHE_DIR overrules both.
    """
    ours = "WANDB_CACHE_DIR" not in os.environ
    if ours:
        os.environ["WANDB_CACHE_DIR"] = str(directory)
    try:
        yield
    finally:
        if ours:
            del os.environ["WANDB_CACHE_DIR"]


def own_switch() -> Literal["online", "offline", "disabled"]:
    """What W&B's own settings ask for: WANDB_MODE, and the files that `wandb offline` writes."""
    mode = quiet_wandb().setup().settings.mode
    if mode == "disabled":
        return "disabled"
    return "offline" if mode in ("offline", "dryrun") else "online"


def login_refusal() -> str | None:
    """Why W&B cannot be used online here, None where it can. Never asks at the terminal, never writes a key."""
    wandb = quiet_wandb()
    if own_switch() != "online":
        return "its own settings (WANDB_MODE, or `wandb offline`) switch it off"
    try:
        # A wrong key and a server that does not answer both raise, after at most 10 s.
        if wandb.login(prompt=False, verify=True):
            return None
    except wandb.Error as error:
        return reason(error)
    return "no account is logged in (log in with `wandb login`, or set WANDB_API_KEY)"


def reason(error: Exception) -> str:
    """The first line of W&B's message, except where it blames itself for a server that does not answer."""
    message = next(iter(str(error).splitlines()), type(error).__name__).rstrip(". ")
    if "did not respond in time" in message or "context deadline exceeded" in message:
        return f"{quiet_wandb().setup().settings.base_url} does not answer (is there a network?)"
    return message
