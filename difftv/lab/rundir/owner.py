"""Processes, named so that no other is ever mistaken for one."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class Owner:
    """A process that works, or worked, on a run.

    Attributes:
        host: the machine.
        pid: its number there.
        process: when it started; a pid is used again, the pair is not.
    """

    host: str
    pid: int
    process: str

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}"

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, a process of this machine."""
        return self.host == platform.node()

    def exists(self) -> bool:
        """Whether this very process still runs; asks this machine, so ask it only of one that `is_here`."""
        return bool(self.process) and process_start(self.pid) == self.process


def this_process() -> Owner:
    """The process that asks."""
    return Owner(platform.node(), os.getpid(), process_start(os.getpid()) or "")


def owner_of(status: Mapping[str, Any]) -> Owner | None:
    """The process that the content of a status.json names, None where it names none."""
    host, pid = status.get("host"), status.get("pid")
    if not isinstance(host, str) or isinstance(pid, bool) or not isinstance(pid, int):
        return None
    return Owner(host, pid, str(status.get("process", "")))


def process_start(pid: int) -> str | None:
    """An identifier of when a process of this machine started; None where there is none, or only a zombie."""
    try:
        # Ticks since the boot, and which boot: unlike a time of day they stay when the clock is set.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().partition("-")[0]
    except OSError:
        try:
            return repr(psutil.Process(pid).create_time())
        except (psutil.Error, ValueError, OverflowError):
            return None
    return None if fields[0] in "ZX" else f"{boot}-{fields[19]}"
