"""What a SLURM cluster says of its jobs and its limits."""

import re
import subprocess
from collections.abc import Iterable


def job_states(job_ids: Iterable[str]) -> dict[str, str] | None:
    """State (and, where it waits, the reason) of every job that the scheduler remembers; None where it says nothing.

    From `squeue`, which every cluster has: `sacct` needs an accounting database, and without one a job that was killed
    looks as if it ran for ever.
    """
    numbers = ",".join(sorted({job_id.split("_")[0] for job_id in job_ids}))
    listing = _output("squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%r", f"--jobs={numbers}")
    if listing is None:
        return None
    states = {}
    for line in listing.splitlines():
        job_id, state, reason = line.split("|", 2)
        states[job_id] = f"{state} ({reason})" if reason not in ("None", "") else state
    return states


def largest_node(partition: str | None) -> int | None:
    """CPUs of the largest node that jobs can go to; None where `sinfo` does not say."""
    where = [] if partition is None else [f"--partition={partition}"]
    words = (_output("sinfo", "--noheader", "--Node", "--format=%c", *where) or "").split()
    return max((int(word) for word in words if word.isdigit()), default=None)


def largest_array() -> int | None:
    """Tasks that an array may have; None where the scheduler does not say."""
    words = re.search(r"^MaxArraySize\s*=\s*(\d+)", _output("scontrol", "show", "config") or "", re.MULTILINE)
    return int(words[1]) if words is not None and int(words[1]) > 0 else None


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode == 0:
        return done.stdout
    return "" if "Invalid job id" in done.stderr else None
