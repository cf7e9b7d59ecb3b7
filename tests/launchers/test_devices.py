"""A GPU for every job of a sweep: what each process sees, without a GPU."""

import os
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext
from omegaconf import OmegaConf

from difftv.errors import ConfigError
from difftv.lab.runs.launchers.jobs import SweepJob
from difftv.lab.runs.launchers.local import VISIBLE, LocalLauncher, visible_devices

joblib = pytest.importorskip("joblib", reason="the extra `local` is not installed")


class Told(SweepJob):
    """A job that answers with the GPU that it sees, its words, and when it ran."""

    def __call__(self) -> JobReturn:
        started = time.monotonic()
        time.sleep(0.2)
        answer = (os.environ.get(VISIBLE), self.overrides, started, time.monotonic())
        return JobReturn(status=JobStatus.COMPLETED, _return_value=answer)


def told(number: int, *overrides: str) -> Told:
    nothing = OmegaConf.create()
    context = HydraContext(config_loader=None, callbacks=None)  # type: ignore[arg-type]
    return Told(context, nothing, print, overrides, number, "", "", None, {})


def test_every_job_has_a_gpu_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "4,7,GPU-abc")
    launcher = LocalLauncher(threads_per_job=1, jobs=8, devices=[0, 2])
    jobs = [*map(told, range(3)), told(3, "trainer.device=cpu")]
    answers = [answer.return_value for _, answer in launcher.carry_out(jobs, tmp_path)]
    assert {device for device, *_ in answers} == {"4", "GPU-abc"}
    assert sorted(words for _, words, *_ in answers) == [("trainer.device=cpu",), *[("trainer.device=cuda",)] * 3]
    for device in ("4", "GPU-abc"):
        times = sorted((begin, end) for found, _, begin, end in answers if found == device)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(times))


def test_without_devices_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "4")
    launcher = LocalLauncher(threads_per_job=1, jobs=1)
    ((_, answer),) = launcher.carry_out([told(0)], tmp_path)
    assert answer.return_value[:2] == ("4", ())


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ([], "must be a list of GPUs"),
        ("01", "must be a list of GPUs"),
        ([True], "must be a list of GPUs"),
        (0, "must be a list of GPUs"),
        ([None], "must be a list of GPUs"),
        ([0.5], "must be a list of GPUs"),
        ([0, 0], "stands there once"),
        ([[0], []], "must be a list of GPUs"),
        ([[0, 1], 1], "stands there once"),
        ([0, 2], "no GPU 2; CUDA_VISIBLE_DEVICES=4,7 shows 2"),
        ([-1], "no GPU -1"),
    ],
)
def test_what_is_no_list_of_gpus_is_refused(devices: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "4,7")
    with pytest.raises(ConfigError, match=message):
        visible_devices(devices)
    monkeypatch.delenv(VISIBLE)
    assert visible_devices([0, "GPU-abc"]) == ["0", "GPU-abc"]


def test_a_group_of_gpus_is_for_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "4,7,GPU-abc,9")
    assert visible_devices([[0, 2], [1, 3]]) == ["4,GPU-abc", "7,9"]
    monkeypatch.delenv(VISIBLE)
    assert visible_devices([[0, 1], "2"]) == ["0,1", "2"]
