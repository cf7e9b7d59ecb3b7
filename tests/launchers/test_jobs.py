"""What does not need a cluster: what one job may leave behind, what is missing, and what is asked for in vain."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from difftv.lab.runs.launchers.jobs import THREAD_VARIABLES, as_in_a_new_process
from difftv.lab.runs.launchers.local import cores
from tests.conftest import options_of
from tests.runs.commands import SMALL, run, run_each

PRESETS = options_of("hydra/launcher")


def test_a_job_leaves_no_environment_and_no_directory(tmp_path: Path) -> None:
    before, here = dict(os.environ), Path.cwd()
    with as_in_a_new_process(threads=3):
        assert {os.environ[name] for name in THREAD_VARIABLES} == {"3"}
        os.environ["WANDB_MODE"] = "disabled"
        os.environ.pop("PATH")
        os.chdir(tmp_path)
    assert dict(os.environ) == before
    assert Path.cwd() == here


def test_a_job_starts_with_the_generators_of_a_new_process() -> None:
    threads, drawn = torch.get_num_threads(), []
    for seed in (0, 1):
        with as_in_a_new_process(threads=threads):
            drawn.append(torch.rand(3))
            assert torch.get_num_threads() == threads
            torch.manual_seed(seed)
            torch.set_num_threads(2)
            random.seed(0)
            np.random.seed(0)  # noqa: NPY002
    torch.set_num_threads(threads)
    assert torch.equal(drawn[0], drawn[1])


def test_a_job_is_held_to_its_threads() -> None:
    before = torch.get_num_threads()
    with as_in_a_new_process(threads=1):
        assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


def test_cores_are_those_that_this_process_may_use() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("launcher", "package"), [("local", "joblib"), ("slurm", "submitit"), ("ray", "ray")])
def test_a_missing_package_is_named_with_its_install_line(launcher: str, package: str, tmp_path: Path) -> None:
    hide = (
        "import importlib.util as u; f = u.find_spec; "
        f"u.find_spec = lambda n, *a: None if n == '{package}' else f(n, *a)"
    )
    done = run("-m", f"hydra/launcher={launcher}", *SMALL, f"hydra.sweep.dir={tmp_path}", prelude=hide)
    assert done.returncode == 1
    assert f'pip install "difftv[{launcher}]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_mistakes(tmp_path: Path) -> None:
    mistakes = [
        (["hydra/launcher=slurn"], "Could not find 'hydra/launcher/slurn'"),
        (["-m", "hydra/launcher=local", "hydra.launcher.jobs=0"], "hydra.launcher.jobs must be a positive integer"),
        (["-m", "hydra/launcher=local", "hydra.launcher.treads=2"], "Key 'treads' is not in struct"),
        (
            ["-m", "hydra/launcher=slurm", "hydra.launcher.cpus_per_task=half"],
            "cpus_per_task must be a positive integer",
        ),
        *(([f"hydra/launcher={name}"], "starts the jobs of a sweep: add -m") for name in PRESETS),
    ]
    commands = [[*words, *SMALL, f"sweep={index}"] for index, (words, _) in enumerate(mistakes)]
    places = [f"hydra.sweep.dir={tmp_path}", f"hydra.run.dir={tmp_path / 'run'}"]
    for (words, message), (code, shown) in zip(
        mistakes, run_each([("", [*command, *places]) for command in commands]), strict=True
    ):
        assert code == 1, words
        assert message in shown, words
    assert not list(tmp_path.glob("*/result.json"))


def test_there_is_a_preset_for_every_engine() -> None:
    assert PRESETS == ["local", "ray", "slurm", "slurm_debug"]
