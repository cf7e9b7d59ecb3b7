"""The processes that share a training (`trainer.devices`): started, watched, and ended with it."""

import contextlib
import logging
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
import torch.distributed as dist

from difftv.devices import cpu_by_default, same_bits_again
from difftv.errors import ConfigError, ProcessLostError
from difftv.lab.runs.build import build, open_patches
from difftv.lab.runs.plan import PlannedRun
from difftv.lab.training.gradient import Gradient, LocalGradient
from difftv.lab.training.processes import SharedGradient, follow, join_group
from difftv.lab.training.setup import TrainingSetup
from difftv.lab.training.stop import STOPS

log = logging.getLogger(__name__)

LAST_WORDS_SECONDS = 10.0
"""What a process whose connection has broken gets to say why."""


@contextlib.contextmanager
def gradient_of(planned: PlannedRun, setup: TrainingSetup) -> Iterator[Gradient]:
    """How the gradient of a batch is found: here, or by `trainer.devices` processes of which this is the first.

    Raises:
        ConfigError: torch was built without the means.
        ProcessLostError: one of the others cannot begin, or ends within the block, with its own words.
    """
    options, local = planned.options, LocalGradient(setup, planned.options.training)
    if options.devices == 1:
        yield local
        return
    if not dist.is_available():
        raise ConfigError(f"trainer.devices={options.devices}: this build of torch has no torch.distributed.")
    with tempfile.TemporaryDirectory(prefix="difftv-") as place:
        others = _Others(planned, Path(place) / "store")
        try:
            others.wait()
            join_group(others.store, 0, options.devices)
            log.info("%d devices share every batch", options.devices)
            shared = SharedGradient(local, options.devices)
            with others.heard():
                yield shared
                shared.end()
            others.join()
        finally:
            others.kill()
            if dist.is_initialized():
                dist.destroy_process_group()


class _Others:
    """The processes beside this one."""

    def __init__(self, planned: PlannedRun, path: Path) -> None:
        self.count = planned.options.devices
        self.store = dist.FileStore(str(path), self.count)
        arguments = replace(planned), path, str(Path.cwd()), torch.get_num_threads()
        context = get_context("spawn")
        self.processes: dict[int, BaseProcess] = {
            rank: context.Process(target=_take_part, args=(rank, *arguments), name=f"device {rank}")
            for rank in range(1, self.count)
        }
        with _held_back():
            for process in self.processes.values():
                process.start()

    def wait(self) -> None:
        """Wait until all of them have their images."""
        waiting = {*self.processes}
        while waiting:
            self._check()
            waiting -= {rank for rank in waiting if self.store.check([_ready(rank)])}
            time.sleep(0.05)

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """A message that does not arrive, within the block, is the end of the process that it is from."""
        try:
            yield
        except RuntimeError as error:
            deadline = time.monotonic() + LAST_WORDS_SECONDS
            while "gloo" in str(error).lower() or "onnection" in str(error):
                self._check(error)
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
            raise

    def _check(self, cause: Exception | None = None) -> None:
        for rank, process in self.processes.items():
            if self.store.check([_failed(rank)]):
                text = self.store.get(_failed(rank)).decode(errors="replace")
                log.error("device %d of %d:\n%s", rank + 1, self.count, text)
                words = text.strip().splitlines()[-1]
                raise ProcessLostError(f"The process of device {rank + 1} of {self.count}: {words}") from cause
            if not process.is_alive():
                code = process.exitcode or 0
                ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
                raise ProcessLostError(
                    f"The process of device {rank + 1} of {self.count} (pid {process.pid}) has ended with {ended}, as "
                    "a rule for want of memory. The same command continues from the last checkpoint."
                ) from cause

    def join(self) -> None:
        """Wait for those that were told to end."""
        for process in self.processes.values():
            process.join(LAST_WORDS_SECONDS)

    def kill(self) -> None:
        """End those that are left; they keep nothing that would be lost."""
        for process in self.processes.values():
            if process.is_alive():
                process.kill()
            process.join()


def _take_part(rank: int, planned: PlannedRun, path: Path, directory: str, threads: int) -> None:
    """What the process of a further device does."""
    store = dist.FileStore(str(path), planned.options.devices)
    try:
        os.chdir(directory)
        torch.set_num_threads(threads)
        logging.disable()  # the first process says the same
        with cpu_by_default(), same_bits_again():
            objects = build(planned, rank)
            setup = objects.setup
            if setup.device.type == "cuda":
                torch.cuda.set_device(setup.device)
            images = open_patches(planned, objects.splits, setup.denoiser.solver, objects.forward)
            store.set(_ready(rank), "")
            join_group(store, rank, planned.options.devices)
            follow(LocalGradient(setup, planned.options.training), images.training, rank, planned.options.devices)
    except Exception:
        # Where the first process has ended its store is gone as well, and nobody listens.
        with contextlib.suppress(Exception):
            store.set(_failed(rank), traceback.format_exc())
        sys.exit(1)


def _ready(rank: int) -> str:
    return f"ready {rank}"


def _failed(rank: int) -> str:
    return f"failed {rank}"


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Processes that start within the block never see a signal that stops a job: their first one ends them.

    A terminal sends Ctrl-C to all of them, and a cluster its notice.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
