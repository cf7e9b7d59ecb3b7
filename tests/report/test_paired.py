"""The paired difference and its interval."""

import math
from pathlib import Path

import numpy as np
import pytest

from difftv.lab.report import Run, build_table, read_sweep
from difftv.lab.report.paired import Difference, paired_difference
from tests.report.conftest import Writer


def run_of(values: dict[str, float], metric: str = "psnr") -> Run:
    return Run("a", Path("a"), {}, {}, {name: {metric: value} for name, value in values.items()})


def test_pairing_removes_what_the_images_share() -> None:
    rng = np.random.default_rng(0)
    names = [f"image{index}" for index in range(40)]
    hard = dict(zip(names, rng.normal(28.0, 4.0, 40), strict=True))
    gain = dict(zip(names, rng.normal(0.2, 0.1, 40), strict=True))
    ours = run_of({name: hard[name] + gain[name] for name in reversed(names)})
    found = paired_difference([ours], "psnr", [run_of(hard)], "psnr")
    assert found is not None
    assert found.mean == pytest.approx(np.mean(list(gain.values())))
    assert found.low < found.mean < found.high
    # the images spread over 4 dB, their differences over 0.1 dB: 2 * 1.96 * 0.1 / sqrt(40)
    assert found.high - found.low == pytest.approx(0.062, abs=0.02)
    assert found == paired_difference([ours], "psnr", [run_of(hard)], "psnr")


def test_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(100):
        sample = rng.normal(0.5, 1.0, 30)
        ours = run_of({str(index): value for index, value in enumerate(sample)})
        found = paired_difference([ours], "psnr", [run_of(dict.fromkeys(map(str, range(30)), 0.0))], "psnr")
        assert found is not None
        covered += found.low <= 0.5 <= found.high
    assert 88 <= covered <= 99


def test_seeds_are_averaged_before_pairing() -> None:
    ours = [run_of({"a": 1.0, "b": 2.0}), run_of({"a": 3.0, "b": 4.0})]
    found = paired_difference(ours, "psnr", [run_of({"a": 1.0, "b": 2.0})], "psnr")
    assert found == Difference(1.0, 1.0, 1.0, 2)


def test_images_without_a_finite_value_are_left_out_and_counted() -> None:
    ours = run_of({"a": 1.0, "b": math.inf, "c": math.nan})
    found = paired_difference([ours], "psnr", [run_of({"a": 0.5, "b": math.inf, "c": 1.0})], "psnr")
    assert found is not None
    assert (found.mean, found.n) == (0.5, 1)
    assert math.isnan(found.low)


def test_different_images_are_not_compared() -> None:
    ours = run_of({"a": 1.0, "b": 2.0})
    assert paired_difference([ours], "psnr", [run_of({"a": 1.0})], "psnr") is None
    assert paired_difference([ours], "psnr", [], "psnr") is None
    assert paired_difference([ours], "ssim", [ours], "ssim") is None


def test_reference_row_and_reference_line(demo: Path) -> None:
    table = build_table(read_sweep(demo), reference="ecos", metrics=["psnr"])
    (line,) = (line for line in table.lines if line.method == "learned map minus ecos")
    assert line.row == ("scs",)
    difference = line.cells[0][0]
    assert isinstance(difference, Difference)
    assert difference.mean == pytest.approx(-0.25)
    assert difference.n == 4
    table = build_table(read_sweep(demo), reference="scalar lambda", metrics=["psnr"])
    lines = [line for line in table.lines if line.method == "learned map minus scalar lambda"]
    assert [line.row for line in lines] == [("ecos",), ("scs",)]


def test_the_reader_is_told_why_a_difference_is_missing(write_run: Writer, sweep: Path) -> None:
    write_run("a", {"choices.solver": "scs"})
    write_run("b", {"choices.solver": "ecos"}, images=("moon", "coffee", "rocket", "x"))
    table = build_table(read_sweep(sweep), reference="ecos")
    (note,) = (note for note in table.notes if note.startswith("No difference"))
    assert note == "No difference of scs to ecos, measured on other data: evaluated set A against B."


def test_a_row_without_a_partner_has_no_difference(write_run: Writer, sweep: Path) -> None:
    write_run("a", {"choices.solver": "scs", "choices.predictor": "cnn"})
    write_run("b", {"choices.solver": "ecos", "choices.predictor": "cnn"})
    write_run("c", {"choices.solver": "scs", "choices.predictor": "unet"})
    table = build_table(read_sweep(sweep), rows=["solver", "predictor"], reference="ecos")
    assert [line.row for line in table.lines if "minus" in line.method] == [("scs", "cnn")]
    assert table.notes == ()
