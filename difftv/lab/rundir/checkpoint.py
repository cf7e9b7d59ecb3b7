"""Checkpoints: complete, atomic, and data only.

A checkpoint holds plain containers and tensors and is read with `weights_only=True`: an untrusted file can be
wrong, but it cannot run code. The one before the newest is kept beside it, for the case that the newest is damaged.
"""

import io
import logging
import os
import pickle
import random
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from difftv.errors import CheckpointError
from difftv.files import is_absent, write_atomically
from difftv.lab.rundir.layout import CHECKPOINT, PREVIOUS_CHECKPOINT

FORMAT = 1
"""Raised whenever an older reader would misunderstand a newer file."""

log = logging.getLogger(__name__)


class CheckpointStore:
    """The newest checkpoint of one run and the one before it.

    Args:
        directory: directory of the run.
        identity: identity of the run; a checkpoint of another run is refused.
        config: the resolved configuration, kept in the file so that it can be read years later on its own.
    """

    def __init__(self, directory: Path, identity: str, config: Mapping[str, Any] | None = None) -> None:
        self.path = directory / CHECKPOINT
        self.previous = directory / PREVIOUS_CHECKPOINT
        self.identity = identity
        self.config = dict(config or {})
        self._had_directory = directory.is_dir()

    def save(self, state: dict[str, Any]) -> None:
        """Write `state` (plain containers and tensors), with the format, the identity and the configuration beside it.

        Raises:
            CheckpointError: it could not be written; the checkpoint from before is still there.
        """
        if self._had_directory and is_absent(self.path.parent):
            raise CheckpointError(
                f"{self.path.parent} was deleted or moved while the run was working in it, or its disk is not mounted "
                "any more. Run the same command again to compute it afresh, or put the directory back to continue."
            )
        buffer = io.BytesIO()
        content = {"format": FORMAT, "identity": self.identity, "config": self.config, "state": state}
        torch.save(content, buffer)
        try:
            self._keep_previous()
            write_atomically(self.path, buffer.getvalue())
        except OSError as error:
            raise CheckpointError(
                f"The checkpoint {self.path} ({len(buffer.getvalue()) / 1e6:.1f} MB) could not be written: {error}. "
                "The checkpoint from before is intact: free some space and run the same command again to continue."
            ) from error

    def _keep_previous(self) -> None:
        """Make the newest checkpoint the previous one. A hard link costs no space, which a full disk has none of."""
        if not self.path.exists():
            return
        link = self.previous.with_name(f".{self.previous.name}.{os.getpid()}-{secrets.token_hex(4)}")
        try:
            link.hardlink_to(self.path)
            link.replace(self.previous)
        except OSError:
            # This file system has no hard links: until the new file is there, only the previous one is.
            self.path.replace(self.previous)
        finally:
            link.unlink(missing_ok=True)

    def load(self) -> dict[str, Any] | None:
        """The newest readable state, or None where the run has no checkpoint yet.

        Raises:
            CheckpointError: there are checkpoints but none can be read, or they belong to another run.
        """
        unreadable = []
        for path in (self.path, self.previous):
            if not path.exists():
                continue
            try:
                content = _read(path)
            except CheckpointError as error:
                unreadable.append(str(error))
                continue
            if content["identity"] != self.identity:
                raise CheckpointError(
                    f"{path} belongs to another run (identity {content['identity']}, this run is {self.identity}). "
                    "Choose another directory for this run, or move the file away to start afresh."
                )
            if unreadable:
                log.warning("%s; continuing from the one before it, %s", unreadable[0], path)
                # Out of the way: the next save must not put the damaged file in the place of the good one.
                self.path.replace(self.path.with_suffix(f".damaged{self.path.suffix}"))
            return content["state"]
        if unreadable:
            raise CheckpointError(f"{'; '.join(unreadable)}. Move the file(s) away to start afresh.")
        return None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The state in one file, whatever run it belongs to.

    Raises:
        CheckpointError: missing, damaged, or not one of ours.
    """
    return read_with_config(path)[0]


def read_with_config(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state in one file, and the configuration of the run that wrote it.

    Raises:
        CheckpointError: missing, damaged, or not one of ours.
    """
    content = _read(path)
    return content["state"], content.get("config", {})


def random_state() -> dict[str, Any]:
    """The state of every global random generator that a run could draw from, as plain containers and tensors."""
    version, keys, gauss = random.getstate()
    name, np_keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    state: dict[str, Any] = {
        "python": [version, list(keys), gauss],
        "numpy": [name, torch.from_numpy(np.asarray(np_keys).astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """The inverse of `random_state`; generators of devices that this machine lacks are passed over."""
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    name, np_keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, np_keys.numpy().astype(np.uint32), position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])


def _read(path: Path) -> dict[str, Any]:
    try:
        # torch reads a damaged tensor without a word; the archive's own checksums do not.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise CheckpointError(f"The checkpoint {path} is damaged (checksum of {damaged})")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (
        OSError,
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read ({_first_line(error)})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or not {"identity", "state"} <= set(content):
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise CheckpointError(f"{path} is not a checkpoint of this version (expected format {FORMAT}, found {found!r})")
    return content


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
