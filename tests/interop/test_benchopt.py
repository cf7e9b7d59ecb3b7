"""The solver files for benchopt's benchmark_tv_2d, run by benchopt itself on a small problem of the same interface."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest

from tests.conftest import PROJECT

pytest.importorskip("benchopt", reason="benchopt is not installed (extra benchopt)")
pandas = pytest.importorskip("pandas", reason="pandas, which benchopt brings, is not installed")

SOLVERS = PROJECT / "benchmarks" / "benchopt" / "solvers"

OBJECTIVE = """
import numpy as np
from benchopt import BaseObjective


class Objective(BaseObjective):
    name = "TV2D"
    parameters = {"reg": [0.05], "delta": [0.9], "isotropy": ["anisotropic", "isotropic"], "data_fit": ["lsq", "huber"]}

    def set_data(self, A, y):
        self.A, self.y = A, y

    def get_objective(self):
        return dict(
            A=self.A, reg=self.reg, delta=self.delta, data_fit=self.data_fit, y=self.y, isotropy=self.isotropy
        )

    def get_one_result(self):
        return dict(u=np.zeros_like(self.y))

    def evaluate_result(self, u):
        down = np.pad(np.diff(u, axis=0), ((0, 1), (0, 0)))
        right = np.pad(np.diff(u, axis=1), ((0, 0), (0, 1)))
        tv = np.hypot(down, right) if self.isotropy == "isotropic" else np.abs(down) + np.abs(right)
        return dict(value=0.5 * np.sum((self.y - self.A @ u) ** 2) + self.reg * np.sum(tv))
"""

DATASET = """
import numpy as np
from benchopt import BaseDataset
from scipy.sparse.linalg import aslinearoperator


class Dataset(BaseDataset):
    name = "Small"
    parameters = {"blur": [False, True]}

    def get_data(self):
        A = np.eye(8)
        if self.blur:
            A = 0.5 * (A + np.roll(A, 1, axis=1))
        return dict(A=aslinearoperator(A), y=np.random.default_rng(0).random((8, 7)))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What benchopt writes, of both of our files."""
    benchmark = tmp_path_factory.mktemp("benchmark_tv_2d")
    (benchmark / "datasets").mkdir()
    (benchmark / "objective.py").write_text(OBJECTIVE)
    (benchmark / "datasets" / "small.py").write_text(DATASET)
    shutil.copytree(SOLVERS, benchmark / "solvers")
    paths = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, "-m", "benchopt", "run", str(benchmark)]
    options = ["--no-plot", "--no-cache", "--max-runs", "15", "--n-repetitions", "1", "--output", "found"]
    done = subprocess.run(
        command + options, cwd=benchmark, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = (benchmark / "outputs").rglob("*.parquet")
    return pandas.read_parquet(file), done.stdout


def minimum(isotropy):
    """Of the objective, by a cone program."""
    y, u = np.random.default_rng(0).random((8, 7)), cp.Variable((8, 7))
    down = cp.vstack([cp.diff(u, axis=0), np.zeros((1, 7))])
    right = cp.hstack([cp.diff(u, axis=1), np.zeros((8, 1))])
    both = cp.vstack([cp.vec(down, order="F"), cp.vec(right, order="F")])
    tv = cp.sum(cp.norm(both, 2, axis=0)) if isotropy == "isotropic" else cp.sum(cp.abs(both))
    options = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}
    return cp.Problem(cp.Minimize(0.5 * cp.sum_squares(u - y) + 0.05 * tv)).solve(solver=cp.CLARABEL, **options)


@pytest.mark.parametrize(
    ("solver", "isotropy"),
    [("difftv-taut-string", "anisotropic"), ("difftv-admm", "anisotropic"), ("difftv-admm", "isotropic")],
)
def test_benchopts_curve_ends_at_the_minimum(results, solver, isotropy):
    found = results[0]
    curve = found[found.solver_name.str.startswith(solver) & found.objective_name.str.contains(f"isotropy={isotropy}")]
    values = curve.sort_values("stop_val").objective_value.to_numpy()
    assert len(values) > 3
    assert values[0] > values[-1] * 1.01
    assert values[-1] == pytest.approx(minimum(isotropy), rel=1e-7)


def test_what_they_cannot_solve_is_skipped_with_the_reason(results):
    found, said = results
    assert set(found.dataset_name) == {"Small[blur=False]"}
    assert not found.objective_name.str.contains("data_fit=huber").any()
    assert "A must be the identity" in said
    assert "data term 1/2 |y - u|^2 only" in said
    assert "anisotropic total variation only" in said


def test_there_is_a_file_per_solver():
    assert {path.stem for path in Path(SOLVERS).glob("*.py")} == {"difftv_taut_string", "difftv_admm"}
