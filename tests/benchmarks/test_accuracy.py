"""The study: what it calls an error is one, and a solver is as good as it says."""

import csv
import io
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.accuracy import accuracy_table, measure_accuracy, to_csv
from benchmarks.inputs import Inputs, smooth_map
from benchmarks.markdown import to_markdown
from difftv.problem import Problem
from difftv.regularizers import AnisotropicTV
from difftv.solvers import Scs, TautString
from difftv.solvers.base import RawSolution, Solver
from tests.conftest import PROJECT

SCRIPT = PROJECT / "experiments" / "gradient_accuracy.py"
REFERENCE = TautString(AnisotropicTV(), tol=1e-12)


class Off(Solver):
    """The reference, 1 % brighter, so that image and gradient in `noisy` are off by exactly known amounts."""

    def solve(self, problem: Problem) -> RawSolution:
        found = REFERENCE.solve(problem)
        return RawSolution(1.01 * found.u, found.gap, found.iterations, torch.arange(len(problem.maps)) == 0)


@pytest.fixture
def inputs() -> Inputs:
    generator = torch.Generator().manual_seed(0)
    clean = 0.05 * torch.rand(2, 1, 1, 1, generator=generator, dtype=torch.float64).expand(2, 1, 8, 8)
    noise = torch.randn(2, 1, 8, 8, generator=generator, dtype=torch.float64)
    return Inputs(clean, clean + 0.1 * noise, smooth_map(2, 1, 8, 8))


def test_errors_are_relative_and_per_image(inputs: Inputs) -> None:
    (same, off) = measure_accuracy(
        {"same": TautString(AnisotropicTV(), tol=1e-12), "off": Off(AnisotropicTV())}, REFERENCE, inputs
    )
    assert same.image_errors == same.lam_errors == same.noisy_errors == [0.0, 0.0]
    assert same.lam_cosines + same.noisy_cosines == pytest.approx([1.0] * 4, abs=1e-12)
    assert off.image_errors == pytest.approx([0.01, 0.01], rel=1e-9)
    assert off.largest_error == pytest.approx(0.01 * float(REFERENCE(inputs.noisy, inputs.lam).denoised.max()))
    assert off.not_converged == 1
    lam = inputs.lam.clone().requires_grad_()
    gradients = []
    for scale in (1.0, 1.01):
        u = scale * REFERENCE(inputs.noisy, lam).denoised
        (gradient,) = torch.autograd.grad((u - inputs.clean).square().mean(), lam)
        gradients.append(gradient.flatten(1))
    exact, wrong = gradients
    torch.testing.assert_close(
        torch.tensor(off.lam_errors, dtype=torch.float64), (wrong - exact).norm(dim=1) / exact.norm(dim=1)
    )
    torch.testing.assert_close(
        torch.tensor(off.lam_cosines, dtype=torch.float64), torch.cosine_similarity(wrong, exact, dim=1)
    )


def test_a_tighter_solver_has_the_better_gradient(inputs: Inputs) -> None:
    named: list[str] = []
    solvers = {f"scs {eps}": Scs(AnisotropicTV(), eps=eps) for eps in (1e-2, 1e-7)}
    loose, tight = measure_accuracy(solvers, REFERENCE, inputs, on_solver=named.append)
    assert named == list(solvers)
    for better, worse in (
        (tight.image_errors, loose.image_errors),
        (tight.lam_errors, loose.lam_errors),
        (tight.noisy_errors, loose.noisy_errors),
    ):
        assert max(better) < 1e-2 * max(worse)
    assert min(tight.lam_cosines) > 0.999999 > min(loose.lam_cosines)
    assert min(tight.forward, tight.backward) > 0
    text = to_markdown(accuracy_table([loose, tight], inputs))
    assert "| scs 0.01" in text
    rows = list(csv.DictReader(io.StringIO(to_csv([loose, tight]))))
    assert [(row["solver"], row["image"]) for row in rows[1:3]] == [("scs 0.01", "1"), ("scs 1e-07", "0")]
    assert float(rows[2]["lam_error"]) == tight.lam_errors[0]


@pytest.mark.slow
def test_the_script_writes_what_it_prints(tmp_path: Path) -> None:
    arguments = ["--patch-size", "8", "--batch", "2", "--eps", "1e-3", "--epochs", "1", "--output", str(tmp_path)]
    training = ["patch_size=8", "data.crops_per_image=1", "data.eval_patch_size=8", "data.eval_crops_per_image=1"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *arguments, "--set", *training],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("### Solver accuracy and gradient accuracy, 8x8")
    assert (tmp_path / "study.md").read_text() + "\n" == done.stdout
    document = json.loads((tmp_path / "study.json").read_text())
    assert [row["solver"] for row in document["rows"]][:5] == [
        "exact", "exact 1e-4", "exact 1e-5", "exact 1e-6", "scs 1e-3",
    ]  # fmt: skip
    exact, scs = document["training"]["exact"], document["training"]["scs"]
    assert len(exact) == len(scs) == 1
    assert exact[0]["train/loss"] == pytest.approx(scs[0]["train/loss"], rel=1e-3)
    assert exact[0]["solver/iterations"] != scs[0]["solver/iterations"]
    for name in ("gradient_accuracy.png", "training.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    again = subprocess.run(
        [sys.executable, SCRIPT, *arguments, "--set", "optimizer.learning_rate=1"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert again.returncode == 1
    assert "learning_rate" in again.stderr
    assert "Traceback" not in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--eps", "0"], "--eps must be a positive finite number"),
        (["--batch", "0"], "--batch must be a positive integer"),
        (["--data", "nowhere"], "no image"),
    ],
)
def test_bad_options(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(SCRIPT))["main"](arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_the_script_names_its_own_option_where_there_are_no_images(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--data", str(tmp_path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 2
    assert f"--data {tmp_path} holds no image files" in done.stderr
    assert "data.root" not in done.stderr
