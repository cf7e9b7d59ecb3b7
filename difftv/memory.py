"""How much memory this process may still take: what the machine has free, or what its container or job leaves of it.

A batch system or a container gives a process a share of the machine (a Linux control group); a process that takes more
is killed, however much is free beside it.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that can be allocated without swapping or being killed.

    Args:
        root: where /proc and /sys are mounted.
    """
    return max(0, min([psutil.virtual_memory().available, *_left_in_groups(root)]))


def _left_in_groups(root: Path) -> Iterator[int]:
    """What each control group of this process, and each around it, has left; those without a limit are absent."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            mount = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # Inside a container the path is the host's and may not exist; the mount itself is then the container's group.
        below = PurePosixPath(path.lstrip("/"))
        for group in (below, *below.parents):
            with contextlib.suppress(OSError, ValueError):
                yield _left(mount / group, *names)


def _left(group: Path, limit: str, usage: str, cached: str) -> int:
    # ValueError for "max", which is no limit.
    allowed, used = (int((group / name).read_text()) for name in (limit, usage))
    statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    # Cached pages of files that no process maps are freed when memory runs short.
    return allowed - used + int(statistics.get(cached, 0))
