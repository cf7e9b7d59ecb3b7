"""`python experiments/evaluate.py`: its numbers are those that the protocol gives when it is written out by hand."""

import csv
import json
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from difftv import tv_denoise
from difftv.denoiser import Denoiser
from difftv.lab.rundir.checkpoint import CheckpointStore
from difftv.predictors import Cnn
from tests.closed_output import run_with_closed_output
from tests.conftest import PROJECT

Main = Callable[[list[str]], int]

IMAGES = {
    "camera": data.camera()[100:140, 200:248],
    "coins": data.coins()[50:90, 60:108],
    "moon": data.moon()[:33, :35],
}
SIGMA, TUNED = 20, 0.05


@pytest.fixture(scope="module")
def main() -> Main:
    return runpy.run_path(str(PROJECT / "experiments" / "evaluate.py"))["main"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Set3").mkdir()
    for name, pixels in IMAGES.items():
        Image.fromarray(pixels).save(tmp_path / "Set3" / f"{name}.png")
    return tmp_path / "Set3"


def make_run(
    directory: Path, *, finished: bool = True, regularizer: str = "AnisotropicTV", sigma: int | None = SIGMA
) -> Path:
    config = {
        "predictor": {"_target_": "difftv.predictors.Cnn"},
        "regularizer": {"_target_": f"difftv.regularizers.{regularizer}"},
        "solver": {"_target_": "difftv.solvers.Clarabel"},
    } | ({} if sigma is None else {"sigma": sigma})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = Cnn(initial_lam=0.06).state_dict()
    CheckpointStore(directory, "0", config).save({"training": {"best_weights": weights, "best_epoch": 3}})
    if finished:
        (directory / "result.json").write_text(json.dumps({"format": 1, "metrics": {"baseline/lam": TUNED}}))
    return directory


def by_hand(denoise: Callable[[torch.Tensor], torch.Tensor], clean: np.ndarray) -> float:
    normal = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    noisy = torch.from_numpy(clean).float() / 255 + SIGMA / 255 * normal
    with torch.no_grad():
        output = denoise(noisy[None, None])[0, 0]
    return peak_signal_noise_ratio(clean, np.rint(output.clamp(0, 1).numpy() * 255).astype(np.uint8))


def test_the_table_is_the_protocol_written_out(
    main: Main, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run")
    assert main([str(run), str(folder)]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("### Set3, sigma 20\n\nProtocol: whole gray images; white Gaussian noise of sigma 20 ")
    assert "torch.Generator().manual_seed(0)" in shown.out
    assert (run / "evaluation-Set3.md").read_text() + "\n" == shown.out
    with (run / "evaluation-Set3.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = json.loads((run / "evaluation-Set3.json").read_text())
    oracle = found["lam"]["set_oracle/lam"]
    assert found["lam"]["tuned/lam"] == TUNED
    denoiser = Denoiser.load(run)
    ways = {
        "psnr": lambda noisy: denoiser(noisy).denoised,
        "tuned/psnr": lambda noisy: tv_denoise(noisy, TUNED),
        "set_oracle/psnr": lambda noisy: tv_denoise(noisy, oracle),
    }
    for column, denoise in ways.items():
        expected = [by_hand(denoise, IMAGES[row["image"]]) for row in rows]
        np.testing.assert_allclose([float(row[column]) for row in rows], expected, atol=2e-3)
        assert found["metrics"][column] == pytest.approx(np.mean(expected), abs=2e-3)
    for row in rows:
        assert [f" {float(row[column]):.2f} " in shown.out for column in ways] == [True, True, True]
    assert [(row["image"], row["height"], row["width"]) for row in rows] == [
        ("camera", "40", "48"),
        ("coins", "40", "48"),
        ("moon", "33", "35"),
    ]
    # Not clamped, not rounded: the PSNR of the noise itself.
    errors = [torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)) for clean in IMAGES.values()]
    expected = np.mean([-10 * np.log10((SIGMA / 255) ** 2 * float(error.square().mean())) for error in errors])
    assert found["metrics"]["noisy/psnr"] == pytest.approx(expected, abs=1e-3)


def test_the_oracle_beats_every_other_scalar(main: Main, folder: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert main([str(run), str(folder), "--output", str(tmp_path / "new")]) == 0
    found = json.loads((tmp_path / "new" / "evaluation-Set3.json").read_text())
    best = found["metrics"]["set_oracle/psnr"]
    for factor in (0.5, 0.8, 1.25, 2.0):
        lam = factor * found["lam"]["set_oracle/lam"]
        other = np.mean([by_hand(lambda noisy, lam=lam: tv_denoise(noisy, lam), clean) for clean in IMAGES.values()])
        assert other < best + 0.005
    assert best > found["metrics"]["noisy/psnr"] + 3


def test_without_the_search_the_other_numbers_are_the_same(
    main: Main, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for finished in (True, False):
        run = make_run(tmp_path / str(finished), finished=finished)
        for name, words in (("whole", []), ("short", ["--no-search"])):
            assert main([str(run), str(folder / "moon.png"), "--name", name, *words]) == 0
            found[name] = json.loads((run / f"evaluation-{name}.json").read_text())
        kept = {key: value for key, value in found["whole"]["metrics"].items() if not key.startswith("set_oracle/")}
        assert found["short"]["metrics"] == kept
        shown = capsys.readouterr().out.rpartition("### short")[2]
        assert "oracle" not in shown
        assert f"dB to {'scalar lambda, tuned' if finished else 'noisy'} (means)" in shown


def test_a_run_that_was_cut_off_has_no_tuned_scalar(
    main: Main, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", finished=False)
    files = [str(folder / "moon.png"), str(folder / "coins.png")]
    assert main([str(run), *files, "--name", "two"]) == 0
    shown = capsys.readouterr()
    assert "which was cut off" in shown.err
    assert "tuned" not in shown.out
    assert shown.out.index("| moon") < shown.out.index("| coins")
    assert "tuned/lam" not in json.loads((run / "evaluation-two.json").read_text())["lam"]


def test_own_solver_agrees_with_the_exact_one(main: Main, folder: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", finished=False)
    small = tmp_path / "small.png"
    Image.fromarray(IMAGES["camera"][:16, :16]).save(small)
    found = {}
    for solver in ("own", "taut_string"):
        assert main([str(run), str(small), "--solver", solver, "--name", solver]) == 0
        found[solver] = json.loads((run / f"evaluation-{solver}.json").read_text())["metrics"]
    assert found["own"] == pytest.approx(found["taut_string"], abs=0.02)


def test_what_cannot_be_measured_is_named(
    main: Main, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nonsense")
    isotropic = make_run(tmp_path / "isotropic", regularizer="IsotropicTV")
    silent = make_run(tmp_path / "silent", sigma=None)
    for arguments, message in (
        ([str(tmp_path), str(folder)], "not the directory of a run"),
        ([str(run), str(tmp_path / "empty")], "no image in"),
        ([str(run), str(tmp_path / "nowhere")], "no such file"),
        ([str(run), str(folder), str(bad)], "not an image in one of the formats"),
        ([str(isotropic), str(folder), "--solver", "taut_string"], "exact cannot take isotropic"),
        ([str(silent), str(folder)], "holds no sigma"),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([str(run), str(folder), "--name", "a/b"])
    assert sorted(path.name for path in run.iterdir()) == ["checkpoint.pt", "result.json"]


def test_what_cannot_be_written_is_named_before_the_solve(
    main: Main, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run")
    (tmp_path / "file").touch()
    monkeypatch.setattr("difftv.lab.cli.evaluate.evaluate_published", lambda *_, **__: pytest.fail("measured first"))
    assert main([str(run), str(folder), "--output", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert main([str(run), str(folder), "--name", "x" * 250]) == 2
    assert "cannot be written (File name too long)" in capsys.readouterr().err


def test_results_are_written_where_the_output_is_closed(folder: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    done = run_with_closed_output(PROJECT / "experiments" / "evaluate.py", run, folder)
    assert done.returncode == 0, done.stderr
    assert "Broken" not in done.stderr
    assert {f"evaluation-Set3.{suffix}" for suffix in ("md", "csv", "json")} < {path.name for path in run.iterdir()}
