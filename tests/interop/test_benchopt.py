"""The benchmark for benchopt, whose solver files are those for its benchmark_tv_2d, run by benchopt itself."""

import os
import shutil
import subprocess
import sys

import cvxpy as cp
import numpy as np
import pytest

from tests.conftest import PROJECT

pytest.importorskip("benchopt", reason="benchopt is not installed (extra benchopt)")
pandas = pytest.importorskip("pandas", reason="pandas, which benchopt brings, is not installed")

BENCHMARK = PROJECT / "benchmarks" / "benchopt"

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
    """The file that benchopt writes, and what it says, of every solver file on an image of 8 x 7 pixels."""
    benchmark = tmp_path_factory.mktemp("benchopt") / "benchmark_tv_2d"
    shutil.copytree(BENCHMARK, benchmark, ignore=shutil.ignore_patterns("outputs", "datasets", "__cache__"))
    (benchmark / "datasets").mkdir()
    (benchmark / "datasets" / "small.py").write_text(DATASET)
    paths = os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, "-m", "benchopt", "run", str(benchmark)]
    objective = "TV2D[reg=0.05,data_fit=[lsq,huber]]"
    options = ["--no-plot", "--no-cache", "--max-runs", "15", "--n-repetitions", "1", "--output", "found"]
    options += ["--objective", objective]
    done = subprocess.run(
        command + options, cwd=benchmark, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = (benchmark / "outputs").rglob("*.parquet")
    return file, done.stdout


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
    ("solver", "isotropy", "rel"),
    [
        ("difftv-taut-string", "anisotropic", 1e-7),
        ("difftv-admm", "anisotropic", 1e-7),
        ("difftv-admm", "isotropic", 1e-7),
        # Those of others: the same objective, and less far down it in 15 steps.
        ("Chambolle-Pock", "anisotropic", 1e-3),
        ("Chambolle-Pock", "isotropic", 1e-3),
        ("scikit-image", "isotropic", 1e-3),
    ],
)
def test_benchopts_curve_ends_at_the_minimum(results, solver, isotropy, rel):
    found = pandas.read_parquet(results[0])
    curve = found[found.solver_name.str.startswith(solver) & found.objective_name.str.contains(f"isotropy={isotropy}")]
    values = curve.sort_values("stop_val").objective_value.to_numpy()
    assert len(values) > 3
    assert values[0] > values[-1] * 1.01
    assert values[-1] == pytest.approx(minimum(isotropy), rel=rel)


def test_what_they_cannot_solve_is_skipped_with_the_reason(results):
    file, said = results
    found = pandas.read_parquet(file)
    assert set(found.dataset_name) == {"Small[blur=False]"}
    assert not found.objective_name.str.contains("data_fit=huber").any()
    assert "A must be the identity" in said
    assert "data term 1/2 |y - u|^2 only" in said
    assert "anisotropic total variation only" in said


def test_there_is_a_file_per_solver():
    ours, others = {"difftv_taut_string", "difftv_admm"}, {"chambolle_pock", "scikit_image"}
    assert {path.stem for path in (BENCHMARK / "solvers").glob("*.py")} == ours | others
