"""A training over several processes (`trainer.devices`): the sums of one, and how the processes end together."""

import os
import signal
from pathlib import Path

import psutil
import pytest
import torch

from difftv import Denoiser
from difftv.devices import choose_devices
from difftv.errors import ConfigError
from difftv.lab.data import TrainingPatches
from difftv.lab.losses import MseSsim, Noise2Noise, Recorrupted, Sure
from difftv.lab.rundir.checkpoint import read_checkpoint
from difftv.lab.runs.config import resolved
from difftv.lab.runs.options import RunOptions
from difftv.lab.training.gradient import LocalGradient
from difftv.lab.training.options import TrainingOptions
from difftv.lab.training.processes import flat
from difftv.lab.training.setup import TrainingSetup
from difftv.predictors import Cnn
from difftv.regularizers import AnisotropicTV
from difftv.solvers import Exact
from tests.conftest import composed
from tests.runs.commands import SMALL, run
from tests.runs.faults import at
from tests.runs.outcomes import outcome

FOUR = [*(word for word in SMALL if not word.startswith("trainer.batch_size")), "trainer.batch_size=4"]
TWO = [*FOUR, "solver=exact", "data.crops_per_image=2", "evaluation.oracle=false", "trainer.devices=2"]
"""Batches of 2 + 2 patches, and a last one whose parts differ or are missing."""


def images_of_noise(count: int):
    from difftv.lab.data import CleanImages

    draw = torch.Generator().manual_seed(0)
    pixels = [(255 * torch.rand(9, 9, generator=draw)).to(torch.uint8).numpy() for _ in range(count)]
    loaders = [lambda image=image: image for image in pixels]
    names = [f"image{index}" for index in range(count)]
    return CleanImages([Path(name) for name in names], [(9, 9)] * count, loaders, names=names)


@pytest.mark.parametrize(
    "loss", [MseSsim(0.5), Sure(), Noise2Noise(), Recorrupted()], ids=lambda loss: type(loss).__name__
)
@pytest.mark.parametrize("parts", [2, 3])
def test_the_parts_of_a_batch_sum_up_to_it(loss: torch.nn.Module, parts: int) -> None:
    patches = TrainingPatches(images_of_noise(5), patch_size=8, sigma=[10, 40], seed=1)
    torch.manual_seed(0)
    predictor = Cnn()
    denoiser = Denoiser(predictor, Exact(AnisotropicTV()))
    optimizer = torch.optim.Adam(predictor.parameters())
    scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer)
    setup = TrainingSetup(denoiser, loss, optimizer, scheduler, torch.device("cpu"))
    gradient = LocalGradient(setup, TrainingOptions(epochs=1, batch_size=5, grad_clip=1.0))
    (whole,) = patches.batches(0, 5)
    expected = gradient(whole, (0, 0))
    summed = flat(weight.grad for weight in predictor.parameters())
    found, total = None, torch.zeros_like(summed)
    for number in range(parts):
        part = patches.part(0, 5, 0, number, parts)
        assert part is not None
        assert torch.equal(part.noisy, whole.noisy[part.first : part.first + len(part.noisy)])
        other = gradient(part, (0, 0))
        total += flat(weight.grad for weight in predictor.parameters()) * len(part.clean) / part.images
        if found is None:
            found = other
        else:
            found.join(other)
    assert found is not None
    torch.testing.assert_close(total, summed, rtol=1e-4, atol=1e-7)
    row, wanted = found.sums.row(denoiser.map_names), expected.sums.row(denoiser.map_names)
    for name, value in wanted.items():
        if "seconds" not in name:
            assert row[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name


def test_a_batch_of_fewer_patches_than_processes_has_empty_parts() -> None:
    patches = TrainingPatches(images_of_noise(5), patch_size=8, sigma=25, seed=1)
    assert patches.part(0, 4, 1, 0, 2) is not None
    assert patches.part(0, 4, 1, 1, 2) is None


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("two")
    done = run(*TWO, f"hydra.run.dir={directory}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 devices share every batch" in done.stdout
    assert done.stdout.count("epoch 1/2: loss") == 1
    return directory


def test_two_devices_find_what_one_does(two: Path, tmp_path: Path) -> None:
    done = run(*TWO, "trainer.devices=1", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    metrics, weights, history, _ = outcome(two)
    expected_metrics, expected_weights, expected_history, _ = outcome(tmp_path)
    assert metrics == pytest.approx(expected_metrics, rel=1e-4, abs=1e-5, nan_ok=True)
    assert len(history) == len(expected_history) == 2
    for row, wanted in zip(history, expected_history, strict=True):
        assert row == pytest.approx(wanted, rel=1e-3, abs=1e-5, nan_ok=True)
    for name, value in weights.items():
        torch.testing.assert_close(value, expected_weights[name], rtol=1e-3, atol=1e-5)
    assert read_checkpoint(two / "checkpoint.pt").keys() == read_checkpoint(tmp_path / "checkpoint.pt").keys()
    # One run: the number of devices is no part of its identity, so each finds the result of the other.
    again = run(*TWO, "trainer.devices=1", f"hydra.run.dir={two}")
    assert "finished before, nothing to do" in again.stdout


def others() -> set[int]:
    """The processes of further devices."""
    found = set()
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any("multiprocessing.spawn" in word for word in words):
            found.add(process.pid)
    return found


@pytest.mark.slow
def test_two_devices_stopped_by_sigterm_continue_to_the_same_bits(two: Path, tmp_path: Path) -> None:
    before = others()
    stop = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)"
    words = [*(word for word in TWO if "checkpoint_seconds" not in word), "trainer.checkpoint_seconds=3600"]
    done = run(*words, f"hydra.run.dir={tmp_path}", prelude=at("difftv.step", 2, stop))
    assert done.returncode == 143, done.stdout + done.stderr
    assert "saved after step" in done.stdout
    assert others() <= before
    done = run(*words, f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    metrics, weights, history, per_image = outcome(tmp_path)
    expected = outcome(two)
    assert (metrics, history, per_image) == (expected[0], expected[2], expected[3])
    assert all(torch.equal(value, expected[1][name]) for name, value in weights.items())


KILL_OTHERS = """
import os, psutil, signal
for child in psutil.Process().children():
    if "multiprocessing.spawn" in " ".join(child.cmdline()):
        child.kill()
"""


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run_with_its_name(tmp_path: Path) -> None:
    done = run(*TWO, f"hydra.run.dir={tmp_path}", prelude=at("difftv.step", 2, KILL_OTHERS))
    assert done.returncode == 1, done.stdout
    assert "The process of device 2 of 2 (pid " in done.stdout
    assert "has ended with signal SIGKILL" in done.stdout
    assert "Traceback" not in done.stderr
    done = run(*TWO, f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_error_of_another_process_is_the_error_of_the_run(tmp_path: Path) -> None:
    class_file = tmp_path / "failing_network.py"
    class_file.write_text(
        "import multiprocessing\nfrom torch import nn\n\n\nclass Failing(nn.Module):\n"
        "    def __init__(self, in_channels, num_maps):\n        super().__init__()\n"
        "        self.layer = nn.Conv2d(in_channels, num_maps, 3, padding=1)\n\n"
        "    def forward(self, features):\n"
        "        if multiprocessing.parent_process() is not None:\n"
        "            raise RuntimeError('out of memory on this device')\n"
        "        return self.layer(features)\n"
    )
    words = [word for word in TWO if not word.startswith("predictor")]
    done = run(
        *words, "predictor._target_=failing_network.Failing",
        f"hydra.run.dir={tmp_path / 'run'}", prelude=f"import sys\nsys.path.insert(0, {str(tmp_path)!r})",
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The process of device 2 of 2: RuntimeError: out of memory on this device" in done.stdout
    assert "out of memory on this device" in (tmp_path / "run" / "status.json").read_text()


@pytest.mark.slow
def test_the_other_processes_end_with_a_first_one_that_is_killed(tmp_path: Path) -> None:
    before = others()
    kill = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    done = run(*TWO, f"hydra.run.dir={tmp_path}", prelude=at("difftv.step", 2, kill))
    assert done.returncode == -signal.SIGKILL
    left = [psutil.Process(pid) for pid in others() - before]
    assert psutil.wait_procs(left, timeout=20)[1] == []


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"trainer.devices=2 does not divide trainer.batch_size=3.*batch_size=4"):
        RunOptions.from_container(resolved(composed("data=sample", "trainer.devices=2", "trainer.batch_size=3")))
    with pytest.raises(ConfigError, match=r"trainer\.devices must be"):
        RunOptions.from_container(resolved(composed("data=sample", "trainer.devices=0")))


def test_the_devices_of_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [device.type for device in choose_devices("cpu", 3)] == ["cpu"] * 3
    monkeypatch.setattr("difftv.devices.choose_device", lambda name, key: torch.device(name))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [str(device) for device in choose_devices("cuda", 2)] == ["cuda:0", "cuda:1"]
    with pytest.raises(ConfigError, match=r"3 devices are wanted, and 2 GPU\(s\) are visible"):
        choose_devices("cuda", 3)
    with pytest.raises(ConfigError, match="cuda:1 is one device, and 2 are wanted"):
        choose_devices("cuda:1", 2)


def test_a_network_with_a_batch_norm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "normed_network.py").write_text(
        "from torch import nn\n\n\nclass Normed(nn.Sequential):\n    def __init__(self, in_channels, num_maps):\n"
        "        super().__init__(nn.Conv2d(in_channels, num_maps, 1), nn.BatchNorm2d(num_maps))\n"
    )
    done = run(
        *TWO, "predictor._target_=normed_network.Normed",
        f"hydra.run.dir={tmp_path / 'run'}", prelude=f"import sys\nsys.path.insert(0, {str(tmp_path)!r})",
    )  # fmt: skip
    assert done.returncode == 1
    assert "trainer.devices: BatchNorm2d" in done.stdout + done.stderr
    assert os.listdir(tmp_path / "run")
