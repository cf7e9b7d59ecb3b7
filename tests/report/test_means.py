"""Means are over the images on which everything compared has an answer."""

import csv
import math
from pathlib import Path

import pytest

from difftv.lab.report import build_table, read_sweep
from difftv.lab.report.seeds import Estimate
from difftv.lab.training.evaluation import left_out, mean_row
from tests.report.conftest import IMAGES, Writer


def with_gaps(run: Path, image: str, column: str) -> None:
    """Take one value out of per_image.csv, as where the solver gave no answer."""
    path = run / "per_image.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["image"] == image:
            row[column] = ""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def means(sweep: Path) -> tuple[dict[tuple[object, str], float], tuple[str, ...]]:
    table = build_table(read_sweep(sweep), metrics=["psnr"])
    found = {(line.row[0], line.method): line.cells[0][0] for line in table.lines}
    assert all(isinstance(entry, Estimate) for entry in found.values())
    return {key: entry.mean for key, entry in found.items() if isinstance(entry, Estimate)}, table.notes


def test_an_image_that_one_method_failed_on_is_left_out_of_all(write_run: Writer, sweep: Path) -> None:
    for solver in ("ecos", "scs"):
        write_run(solver, {"choices.solver": solver})
    before, notes = means(sweep)
    assert notes == ()
    with_gaps(sweep / "scs", IMAGES[3], "psnr")
    after, notes = means(sweep)
    # the images spread by -0.015, -0.005, 0.005, 0.015 around the mean: without the last one it is 0.005 lower
    assert after == {key: pytest.approx(value - 0.005) for key, value in before.items()}
    assert notes == ("psnr: 1 of 4 images (moon) left out of every mean, no answer from learned map of scs.",)


def test_other_noise_keeps_its_images(write_run: Writer, sweep: Path) -> None:
    for sigma in (15, 25):
        write_run(f"{sigma}", {"sigma": sigma})
    with_gaps(sweep / "15", IMAGES[0], "baseline/psnr")
    table = build_table(read_sweep(sweep), metrics=["psnr"])
    first, second = ([line.cells[column][0].mean for line in table.lines] for column in (0, 1))
    assert first == pytest.approx([value + 0.005 for value in second])
    assert second == [20.2, 28.1, 29.0]


def test_a_metric_that_is_defined_nowhere_on_an_image_is_no_remark(write_run: Writer, sweep: Path) -> None:
    run = write_run("a")
    for column in ("psnr", "baseline/psnr", "noisy/psnr"):
        with_gaps(run, IMAGES[0], column)
    found, notes = means(sweep)
    assert notes == ()
    assert found["scs", "learned map"] == 29.0


def test_no_common_image_gives_no_mean(write_run: Writer, sweep: Path) -> None:
    write_run("a", images=("camera", "moon"))
    with_gaps(sweep / "a", "camera", "psnr")
    with_gaps(sweep / "a", "moon", "baseline/psnr")
    found, notes = means(sweep)
    assert all(math.isnan(value) for value in found.values())
    assert "2 of 2 images (camera, moon) left out" in notes[0]


def test_the_mean_that_a_run_writes() -> None:
    rows = [
        {"psnr": 30.0, "ssim": 0.5, "noisy/psnr": 20.0, "noisy/ssim": 0.2, "oracle/lam": 0.1},
        {"psnr": math.nan, "solver/failed": 1.0, "noisy/psnr": 10.0, "noisy/ssim": 0.4, "oracle/lam": 0.3},
    ]
    found = mean_row(rows, ["", "noisy", "oracle"])
    assert found == {
        "psnr": 30.0, "ssim": 0.5, "noisy/psnr": 20.0, "noisy/ssim": 0.2, "oracle/lam": 0.2, "solver/failed": 1.0
    }  # fmt: skip
    assert left_out(rows, ["", "noisy"]) == 1
    assert mean_row(rows)["noisy/psnr"] == 15.0
    assert mean_row([{"psnr": math.inf}, {"psnr": 1.0}]) == {"psnr": math.inf}
    assert math.isnan(mean_row([{"psnr": math.nan}])["psnr"])


def test_a_method_without_any_answer_does_not_keep_the_others_from_theirs() -> None:
    found = mean_row([{"psnr": 30.0, "baseline/psnr": math.nan}], ["", "baseline"])
    assert found["psnr"] == 30.0
    assert math.isnan(found["baseline/psnr"])


def test_stored_runs_call_non_local_means_reference(write_run: Writer, sweep: Path) -> None:
    write_run("old", {"choices.solver": "ecos"}, metrics={"reference/psnr": 27.0})
    write_run("new", {"choices.solver": "scs"}, metrics={"nonlocal_means/psnr": 28.0})
    sweep_read = read_sweep(sweep)
    table = build_table(sweep_read, metrics=["psnr"], reference="non-local means")
    rows = {line.row: line.cells[0][0].mean for line in table.lines if line.method == "non-local means"}
    assert rows == {("ecos",): 27.0, ("scs",): 28.0}
    assert sum("minus non-local means" in line.method for line in table.lines) == 2
    assert not any("reference" in name for run in sweep_read.runs for name in run.metrics)
