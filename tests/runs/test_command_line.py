"""Mistakes on the command line end with their own message, before any work; what is fine leaves complete files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from difftv.lab.report.remarks import metric_remarks
from difftv.lab.report.sweep import read_sweep
from tests.closed_output import run_redirected
from tests.conftest import PROJECT
from tests.runs.commands import SMALL, run, run_each
from tests.runs.faults import fails_at

SCRIPT = PROJECT / "experiments" / "run.py"

MISTAKES = [
    (["solver=scz"], "Could not find 'solver/scz'"),
    (["solvr=scs"], "Could not override 'solvr'"),
    (["solver=scs", "solver.epz=1e-3"], "Key 'epz' is not in struct"),
    (["solver=scs", "solver.eps=-1"], "solver.eps must be a positive finite number, got -1"),
    (["solver=scs", "solver.eps=small"], "solver.eps must be a positive finite number, got 'small'"),
    (["solver=scs", "solver.max_iter=0"], "solver.max_iter must be a positive integer, got 0"),
    (["sigma=0"], "sigma must be a positive number in 8-bit units"),
    (["sigma=abc"], "sigma must be a positive number in 8-bit units"),
    (["sigma=-5"], "sigma must be a positive number in 8-bit units"),
    (["patch_size=0"], "patch_size must be a positive integer, got 0"),
    (["patch_size=-8"], "patch_size must be a positive integer, got -8"),
    (["patch_size=big"], "patch_size must be a positive integer, got 'big'"),
    (["solver=scs", "patch_size=2000"], "GiB to compile"),
    (["seed=-1"], "seed must be an integer from 0 to 2^64 - 1, got -1"),
    (["trainer.epochs=0"], "trainer.epochs must be a positive integer, got 0"),
    (["trainer.device=gpu"], "trainer.device='gpu' cannot be used here"),
    (["trainer.on_solver_failure=ignore"], "trainer.on_solver_failure must be one of raise, skip"),
    (["evaluation.figures=-1"], "evaluation.figures must be an integer >= 0, got -1"),
    (["loss=mse_ssim", "loss.alpha=2"], "loss.alpha must be a number in [0, 1], got 2"),
    (["regularizer.num_maps=3"], "regularizer.num_maps must be 1 (shared) or 2"),
    (["data.clip_noise=no"], "data.clip_noise must be true or false, got 'no'"),
    (["evaluation.oracle=off"], "evaluation.oracle must be true or false, got 'off'"),
    (["optimizer.lr=abc"], "optimizer.lr must be a number, got 'abc'"),
    (["optimizer.lr=-1"], "optimizer: Invalid learning rate"),
    (["scheduler=plateau", "scheduler.patience=abc"], "scheduler.patience must be a number, got 'abc'"),
    (["trainer.checkpoint_seconds=abc"], "trainer.checkpoint_seconds must be a finite number >= 0, got 'abc'"),
    (["trainer.device=meta"], "trainer.device='meta' cannot be used here"),
    (["data.cache_dir=5"], "data.cache_dir must be a directory, auto or null"),
    (["solver=scs", "data.eval_patch_size=null"], "GiB to compile"),
    (["solver=taut_string", "data.eval_patch_size=4000"], "data.eval_patch_size"),
    (["solver=taut_string", "solver.tol=abc"], "solver.tol must be a positive finite number, got 'abc'"),
    (["data=folder"], "data.root"),
    (["data=div2k", "data.root=/nowhere/DIV2K"], "data.root=/nowhere/DIV2K: "),
    (["data=folder", "data.root=/nowhere"], "data.root=/nowhere does not exist"),
    (["data=folder", "data.root="], "data.root is empty"),
    (["data=div2k", "data.root="], "data.root is empty"),
    (["data=folder", "data.root=/tmp", "data.validation="], "data.validation is empty"),
    (["data=folder", "data.root=/tmp", "data.test="], "data.test is empty"),
    (["data.cache_dir="], "data.cache_dir is empty"),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str, Path]]:
    """Exit code, output and directory of every mistaken command line."""
    root = tmp_path_factory.mktemp("mistakes")
    commands = [
        ("", [*SMALL, *arguments, f"hydra.run.dir={root / str(index)}"])
        for index, (arguments, _) in enumerate(MISTAKES)
    ]
    shown = run_each(commands)
    return [(code, text, root / str(index)) for index, (code, text) in enumerate(shown)]


@pytest.mark.parametrize("index", range(len(MISTAKES)), ids=[",".join(arguments) for arguments, _ in MISTAKES])
def test_a_mistake_is_named_before_any_work(index: int, answers: list[tuple[int, str, Path]]) -> None:
    code, shown, directory = answers[index]
    assert code == 1
    assert MISTAKES[index][1] in shown
    assert "Traceback" not in shown
    assert "epoch 1/" not in shown
    assert not (directory / "checkpoint.pt").exists()


def test_images_smaller_than_the_patch_are_named(tmp_path: Path) -> None:
    for index in range(3):
        Image.new("L", (6, 6), 128).save(tmp_path / f"{index}.png")
    done = run(*SMALL, "data=folder", f"data.root={tmp_path}", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 1
    assert "6x6" in done.stdout


def test_a_missing_solver_package_is_named_with_its_install_line(tmp_path: Path) -> None:
    hide = "import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, *a: None if n == 'ecos' else f(n, *a)"
    done = run(*SMALL, "solver=ecos", f"hydra.run.dir={tmp_path}", prelude=hide)
    assert done.returncode == 1
    assert 'pip install "difftv[ecos]"' in done.stdout


def test_an_output_directory_that_cannot_be_written_is_named() -> None:
    done = run(*SMALL, "hydra.run.dir=/proc/difftv-run")
    assert done.returncode != 0
    assert "cannot write to the output directory" in done.stderr
    assert "hydra.run.dir=DIRECTORY" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failed_run_leaves_its_error_and_traceback(tmp_path: Path) -> None:
    done = run(*SMALL, f"hydra.run.dir={tmp_path}", prelude=fails_at("difftv.step"))
    assert done.returncode == 1
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "failed"
    assert status["error"] == "ValueError: deliberately broken"
    assert "Traceback" in (tmp_path / "run.log").read_text()


def test_the_directory_of_another_finished_run_is_left_alone(tmp_path: Path) -> None:
    arguments = [*SMALL, "solver=taut_string", f"hydra.run.dir={tmp_path}"]
    assert run(*arguments).returncode == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix in (".yaml", ".json", ".pt")}
    done = run(*arguments, "sigma=15")
    assert done.returncode == 1
    assert "holds the finished run" in done.stderr
    assert not (tmp_path / "figures").exists()  # evaluation.figures=0
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name in before}


def test_a_second_process_on_the_same_run_is_refused(tmp_path: Path) -> None:
    held = f"from filelock import FileLock\nlock = FileLock({str(tmp_path / '.lock')!r})\nlock.acquire()"
    hold = f"{held}\nfrom filelock import FileLock as F\n"
    done = run(*SMALL, "solver=taut_string", f"hydra.run.dir={tmp_path}", prelude=hold)
    assert done.returncode == 1
    assert "Another process is working on" in done.stdout


@pytest.mark.parametrize("policy", ["skip", "raise"])
def test_a_solver_that_never_answers_ends_with_its_name(policy: str, tmp_path: Path) -> None:
    done = run(*SMALL, "solver=ecos", "solver.max_iter=2", f"trainer.on_solver_failure={policy}",
               f"hydra.run.dir={tmp_path}")  # fmt: skip
    assert done.returncode == 1
    assert "ECOS gave no answer" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    if policy == "skip":
        assert "Nothing was learned: all 3 batches of epoch 1 were left out (3 without an answer" in done.stdout


def test_solves_short_of_their_tolerance_are_counted_skipped_or_refused(tmp_path: Path) -> None:
    short = [*SMALL, "solver=scs", "solver.max_iter=5"]
    done = run(*short, "trainer.on_not_converged=use", f"hydra.run.dir={tmp_path / 'use'}")
    assert done.returncode == 0, done.stdout + done.stderr
    history = [json.loads(line) for line in (tmp_path / "use" / "metrics.jsonl").read_text().splitlines()]
    assert [row["solver/not_converged"] for row in history] == [8, 8]
    for policy, message in (
        ("skip", "all 3 batches of epoch 1 were left out (0 without an answer, and 8 solves short of the tolerance)"),
        ("raise", "stopped short of the tolerance"),
    ):
        done = run(*short, f"trainer.on_not_converged={policy}", f"hydra.run.dir={tmp_path / policy}")
        assert done.returncode == 1
        assert message in done.stdout


def test_a_sweep_goes_on_past_a_failing_job_and_says_so(tmp_path: Path) -> None:
    done = run("-m", *SMALL, "solver=scs", "sigma=25,-1,15", f"hydra.sweep.dir={tmp_path}")
    assert done.returncode == 1
    assert "sigma must be a positive number" in done.stdout + done.stderr
    states = sorted(json.loads(path.read_text())["state"] for path in tmp_path.glob("*/status.json"))
    assert states == ["failed", "finished", "finished"]
    _edited_configurations_are_not_believed(tmp_path)


def _edited_configurations_are_not_believed(sweep: Path) -> None:
    runs = read_sweep(sweep).runs
    assert [(run.settings["sigma"], run.edited) for run in runs] == [(15, ()), (25, ())]
    config = runs[1].directory / "config.yaml"
    config.write_text(config.read_text().replace("sigma: 25", "sigma: 50"))
    edited = read_sweep(sweep).runs
    assert [(run.settings["sigma"], run.edited) for run in edited] == [(15, ()), (25, ("sigma",))]
    assert edited[1].settings == runs[1].settings
    remark = f"{runs[1].name}: config.yaml was changed after the run (sigma); shown is what the run had."
    assert remark in metric_remarks(edited, ["psnr"])


@pytest.mark.parametrize("nothing", ["seed=range(5,5)", "solver=glob(nothing*)"])
def test_a_sweep_of_nothing_fails(nothing: str, tmp_path: Path) -> None:
    done = run("-m", *SMALL, nothing, f"hydra.sweep.dir={tmp_path / 'sweep'}")
    assert done.returncode == 1, done.stdout
    assert "the sweep has no run: a range or a glob on the command line matches nothing" in done.stderr
    assert nothing in done.stderr


def test_a_finished_run_holds_everything_that_was_promised(tmp_path: Path) -> None:
    done = run(*SMALL, "solver=clarabel", "regularizer=isotropic", "predictor=unet", "loss=mse_ssim",
               "optimizer=adamw", "scheduler=plateau", "evaluation.figures=4", f"hydra.run.dir={tmp_path}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    promised = "psnr ssim noisy/psnr nonlocal_means/psnr baseline/psnr baseline/ssim baseline/lam images/left_out"
    promised += " solver/forward_seconds solver/backward_seconds solver/not_converged"
    for name in promised.split():
        assert isinstance(result["metrics"][name], int | float), name
    assert len(result["evaluated_set"]) == 16
    assert result["metrics"]["noisy/psnr"] < result["metrics"]["baseline/psnr"]
    assert result["versions"]["torch"].startswith("2.13.0")
    assert len((tmp_path / "per_image.csv").read_text().splitlines()) == 1 + result["images"] == 3
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "finished"
    config = (tmp_path / "config.yaml").read_text()
    assert "solver: clarabel" in config
    assert "sigma: 25" in config
    drawn = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert {"training_curves", "lambda_search"} < drawn
    assert sum(name.startswith("strip_") for name in drawn) == 2
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2


def test_unreadable_images_are_left_out_and_named(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for index in range(4):
        Image.effect_noise((16, 16), 40).save(images / f"good{index}.png")
    (images / "broken.png").write_bytes((images / "good0.png").read_bytes()[:60])
    done = run(*SMALL, "data=folder", f"data.root={images}", "data.validation_fraction=0.5",
               "patch_size=8", f"hydra.run.dir={tmp_path / 'run'}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "broken.png" in done.stdout
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert len(result["skipped_images"]) == 1


def test_a_run_of_tgv_shows_its_maps_and_its_field(tmp_path: Path) -> None:
    done = run(*SMALL, "solver=admm", "solver.max_iter=150", "regularizer=tgv", "trainer.epochs=1",
               "evaluation.oracle=false", "evaluation.figures=1", f"hydra.run.dir={tmp_path}")  # fmt: skip
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    for name in ("lam1/mean", "lam2/mean", "v/mean", "v/max", "baseline/lam1", "baseline/lam2"):
        assert metrics[name] > 0, name
    assert metrics["baseline/psnr"] > metrics["noisy/psnr"] + 5
    columns = (tmp_path / "per_image.csv").read_text().splitlines()[0].split(",")
    assert {"lam1/mean", "lam2/mean", "v/mean"} <= set(columns)
    assert json.loads((tmp_path / "baseline.json").read_text())["columns"] == ["lam1", "lam2", "psnr"]
    assert len(list((tmp_path / "figures").glob("lam_over_edges_*.png"))) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_output_ends_in_a_finished_run_and_no_traceback(tmp_path: Path) -> None:
    place = f"hydra.run.dir={tmp_path / 'run'}"
    done = run_redirected("> /dev/full", SCRIPT, *SMALL, "solver=exact", place)
    assert done.returncode == 0, done.stderr
    assert b"Logging error" not in done.stderr
    assert b"Traceback" not in done.stderr
    assert "PSNR" in (tmp_path / "run" / "run.log").read_text()


def test_a_terminal_without_unicode_shows_the_log_with_escapes() -> None:
    lines = "import difftv.lab.cli.entry, logging, sys; logging.basicConfig(stream=sys.stdout); logging.error('\\xfc')"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, check=False, env=environment, cwd=PROJECT)
    assert done.stdout == b"ERROR:root:\\xfc\n", done
    assert done.stderr == b""
