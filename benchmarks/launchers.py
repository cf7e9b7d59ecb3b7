"""One sweep after the other, one job at a time and on all cores: what hydra/launcher=local is worth."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.clock import Spread, paired_ratio, take_turns
from benchmarks.markdown import Table, between, three_digits
from difftv.errors import DiffTVError

JOB = ("experiment=demo", "solver=scs", "trainer.epochs=2", "evaluation.oracle=false")
"""A run of ten seconds or more with the slowest solver, on patches of 16x16."""

_SCRIPT = Path(__file__).resolve().parents[1] / "experiments" / "run.py"

_BATCH = 8
"""Patches per step."""

_LINES_KEPT = 5
"""Of what a sweep says, where it fails."""


@dataclass(frozen=True)
class LauncherRow:
    """A sweep of equal jobs under one launcher, from the command to its end.

    Attributes:
        launcher: as on the command line.
        job: overrides of every job.
        jobs: of the sweep.
        at_once: of them.
        threads: of every job.
        batch: patches per step.
        seconds: of the whole sweep, per round.
        speedup: over the same sweep one job at a time with every thread, paired.
    """

    launcher: str
    job: str
    jobs: int
    at_once: int
    threads: int
    batch: int
    seconds: list[float]
    speedup: Spread


def measure_launchers(jobs: int, cache_dir: Path, job: Sequence[str], repeats: int) -> list[LauncherRow]:
    """Run the same sweep with `basic` on all threads and on one, and with `local` on as many processes, in turns.

    Raises:
        DiffTVError: a sweep failed, or this is not a checkout of the project.
    """
    if not _SCRIPT.is_file():
        raise DiffTVError(f"{_SCRIPT} is not there: sweeps are measured in a checkout of the project.")
    threads = torch.get_num_threads()
    contestants: dict[tuple[str, int, int], tuple[str, ...]] = {
        ("basic", threads, 1): (),
        ("basic", 1, 1): (),
        ("local", 1, threads): (f"hydra.launcher.jobs={threads}",),
    }
    turns = take_turns(
        {
            key: partial(_sweep, key[0], key[1], (*job, *options, f"data.cache_dir={cache_dir}"), jobs)
            for key, options in contestants.items()
        },
        repeats,
        warm_up=False,
    )
    whole = {key: seconds["sweep"] for key, seconds in turns.items()}
    return [
        LauncherRow(
            launcher=launcher,
            job=" ".join(job),
            jobs=jobs,
            at_once=at_once,
            threads=number,
            batch=_BATCH,
            seconds=seconds,
            speedup=paired_ratio(whole["basic", threads, 1], seconds),
        )
        for (launcher, number, at_once), seconds in whole.items()
    ]


def launcher_table(rows: Sequence[LauncherRow]) -> Table:
    first = rows[0]
    return Table(
        title="A sweep on all cores",
        remark=f"{first.jobs} equal jobs ({first.job}; batch {first.batch}), from the command to its end, "
        f"{len(first.seconds)} round(s) in turns; ratios are paired round by round: median (smallest to largest).",
        heads=("hydra/launcher", "jobs at once", "threads per job", "sweep [s]", "times faster"),
        rows=[
            (
                row.launcher,
                str(row.at_once),
                str(row.threads),
                three_digits(sorted(row.seconds)[len(row.seconds) // 2]),
                between(row.speedup),
            )
            for row in rows
        ],
    )


def _sweep(launcher: str, threads: int, overrides: Sequence[str], jobs: int) -> dict[str, float]:
    seeds = f"seed={','.join(map(str, range(1, jobs + 1)))}"
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, str(_SCRIPT), "-m", f"hydra/launcher={launcher}", *overrides, seeds]
        started = time.perf_counter()
        done = subprocess.run(
            [*command, f"trainer.batch_size={_BATCH}", f"hydra.sweep.dir={directory}"],
            env={**os.environ, **_threads(threads)},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise DiffTVError(f"hydra/launcher={launcher}: " + " | ".join(lines[-_LINES_KEPT:]))
    return {"sweep": seconds}


def _threads(number: int) -> Mapping[str, str]:
    return {"OMP_NUM_THREADS": str(number), "NUMBA_NUM_THREADS": str(number)}
