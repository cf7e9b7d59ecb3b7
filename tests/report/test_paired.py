"""The paired difference and its interval."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import bootstrap

from difftv.lab.report import Run, build_table, read_sweep
from difftv.lab.report.paired import RESAMPLES, Difference, paired_difference
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


def test_seeds_are_averaged_before_pairing_and_widen_the_interval() -> None:
    ours = [run_of({"a": 1.0, "b": 2.0}), run_of({"a": 3.0, "b": 4.0})]
    found = paired_difference(ours, "psnr", [run_of({"a": 1.0, "b": 2.0})], "psnr")
    assert found is not None
    assert (found.mean, found.n, found.seeds) == (1.0, 2, 2)
    # The images agree, so that the seeds alone count: 0 and 2, enlarged by sqrt(2).
    assert (found.low, found.high) == pytest.approx((1 - math.sqrt(2), 1 + math.sqrt(2)))


def test_one_seed_has_the_interval_of_scipy() -> None:
    values = np.random.default_rng(3).normal(0.5, 1.0, 17)
    found = paired_difference(
        [run_of({str(index): value for index, value in enumerate(values)})],
        "psnr",
        [run_of(dict.fromkeys(map(str, range(17)), 0.0))],
        "psnr",
    )
    expected = bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def seeds_of(values: np.ndarray, first: int = 0) -> list[Run]:
    """A run for every row of (seeds, images)."""
    return [
        replace(run_of({str(index): value for index, value in enumerate(row)}), settings={"seed": first + seed})
        for seed, row in enumerate(values)
    ]


def test_what_a_seed_gives_both_sides_is_no_difference() -> None:
    shared = np.random.default_rng(0).normal(0.0, 1.0, (3, 1)) + np.zeros((1, 20))
    ours, theirs = seeds_of(shared + 0.5), seeds_of(shared)
    paired = paired_difference(ours, "psnr", theirs[::-1], "psnr")
    assert paired is not None
    assert (paired.low, paired.mean, paired.high) == pytest.approx((0.5, 0.5, 0.5))
    others = paired_difference(ours, "psnr", seeds_of(shared, first=3), "psnr")
    assert others is not None
    assert others.high - others.low > 1.0


def test_variance_over_seeds_and_images_is_that_of_the_mean() -> None:
    # (seeds, images) with an effect of each and nothing else: s^2 / S + t^2 / n
    rng = np.random.default_rng(2)
    seeds, images = rng.normal(0.0, 0.3, 8), rng.normal(0.0, 1.0, 50)
    found = paired_difference(seeds_of(seeds[:, None] + images), "psnr", seeds_of(np.zeros((8, 50))), "psnr")
    assert found is not None
    half = 1.96 * math.sqrt(np.var(seeds, ddof=1) / 8 + np.var(images) / 50)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.05)


def test_interval_over_five_seeds_covers_nearly_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(100):
        values = 0.5 + rng.normal(0.0, 0.2, (5, 1)) + rng.normal(0.0, 0.5, 20) + rng.normal(0.0, 0.1, (5, 20))
        found = paired_difference(seeds_of(values), "psnr", seeds_of(np.zeros((5, 20))), "psnr")
        assert found is not None
        covered += found.low <= 0.5 <= found.high
    assert 84 <= covered <= 99


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
