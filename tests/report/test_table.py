"""What stands in which cell, what is averaged, what is bold, and what a reader is told."""

import math
from pathlib import Path

import pytest

from difftv.lab.report import Table, build_table, read_sweep
from difftv.lab.report.notation import best_entries, caption, digits, goodness
from difftv.lab.report.seeds import Estimate
from difftv.lab.rundir.layout import NEUTRAL
from tests.report.conftest import Writer


def table_of(sweep: Path, **options: object) -> Table:
    return build_table(read_sweep(sweep), **options)  # type: ignore[arg-type]


def entry(table: Table, method: str, *row: object, column: int = 0, metric: int = 0) -> Estimate:
    (line,) = (line for line in table.lines if line.method == method and line.row == row)
    found = line.cells[column][metric]
    assert isinstance(found, Estimate)
    return found


def test_the_demo_table(demo: Path) -> None:
    table = table_of(demo)
    assert table.row_keys == ("solver",)
    assert table.columns == ((15,), (25,), (50,))
    assert [(line.row, line.method) for line in table.lines] == [
        ((solver,), method) for solver in ("ecos", "scs") for method in ("noisy", "scalar lambda", "learned map")
    ]
    assert entry(table, "learned map", "ecos", column=1) == Estimate(29.25, None, 1)
    assert entry(table, "scalar lambda", "scs", column=2) == Estimate(25.5, None, 1)
    assert entry(table, "noisy", "scs", column=0, metric=1) == Estimate(0.4, None, 1)
    assert table.protocol == "Evaluated on validation (4 images)"
    assert table.notes == ()
    assert len(table.absent) == 7


def test_seeds_are_averaged_and_counted(write_run: Writer, sweep: Path) -> None:
    for seed, psnr in enumerate((28.0, 29.0, 30.0)):
        write_run(f"seed={seed}", {"seed": seed, "data.seed": seed}, metrics={"psnr": psnr})
    table = table_of(sweep)
    assert entry(table, "learned map", "scs") == Estimate(29.0, 1.0, 3)
    assert table.seeds == 3
    assert table.notes == ()


def test_seeds_apart_on_demand(write_run: Writer, sweep: Path) -> None:
    for seed, psnr in enumerate((28.0, 29.0, 30.0)):
        write_run(f"seed={seed}", {"seed": seed, "data.seed": seed}, metrics={"psnr": psnr})
    table = table_of(sweep, seeds="each")
    assert table.row_keys == ("solver", "seed")
    assert [entry(table, "learned map", "scs", seed).mean for seed in range(3)] == [28.0, 29.0, 30.0]
    assert "Every seed by itself." in caption(table)
    assert table_of(sweep, columns=["seed"]).columns == ((0,), (1,), (2,))


@pytest.mark.parametrize("key", ["choices.predictor", "patch_size", "solver.eps", "optimizer.lr"])
def test_a_key_that_differs_is_never_averaged_over(write_run: Writer, sweep: Path, key: str) -> None:
    write_run("a", {key: 32}, metrics={"psnr": 28.0})
    write_run("b", {key: 64}, metrics={"psnr": 30.0})
    table = table_of(sweep, rows=["solver"])
    name = key.removeprefix("choices.")
    assert table.row_keys == ("solver", name)
    assert [entry(table, "learned map", "scs", value).mean for value in (32, 64)] == [28.0, 30.0]
    assert any(name in note for note in table.notes)
    assert table_of(sweep).row_keys == (name,)


@pytest.mark.parametrize("key", ["sweep", "tracker.project", "choices.tracker", "trainer.device", "data.cache_dir"])
def test_bookkeeping_does_not_split_seeds(write_run: Writer, sweep: Path, key: str) -> None:
    write_run("a", {key: "x", "seed": 0})
    write_run("b", {key: "y", "seed": 1})
    assert entry(table_of(sweep), "learned map", "scs").n == 2


@pytest.mark.parametrize(("key", "value"), NEUTRAL.items())
def test_a_run_from_before_a_key_was_there_is_a_seed(write_run: Writer, sweep: Path, key: str, value: object) -> None:
    write_run("a", {"seed": 0})
    write_run("b", {key: value, "seed": 1})
    assert entry(table_of(sweep), "learned map", "scs").n == 2


@pytest.mark.parametrize("other", [{"evaluated_on": "test"}, {"images": ("camera",)}])
def test_different_protocols_stand_in_different_rows(write_run: Writer, sweep: Path, other: dict) -> None:
    write_run("a", {"choices.solver": "scs"})
    write_run("b", {"choices.solver": "ecos"}, **other)
    table = table_of(sweep)
    key = "evaluated on" if "evaluated_on" in other else "number of images"
    assert table.row_keys == ("solver", key)
    assert key in table.notes[0]
    assert table.protocol.count("image") == 2


def test_the_protocol_names_crops_and_clipping(write_run: Writer, sweep: Path) -> None:
    write_run("a", {"patch_size": 32, "data.eval_patch_size": 32, "data.clip_noise": False})
    write_run("b", {"patch_size": 64, "data.eval_patch_size": 64, "data.clip_noise": True})
    write_run("c", {"patch_size": 96, "data.eval_patch_size": None}, evaluated_on="test")
    assert table_of(sweep).protocol == (
        "Evaluated on test (4 whole images); validation (4 crops of 32x32 pixels); "
        "validation (4 crops of 64x64 pixels, noise clipped to [0, 1])"
    )


def test_a_second_cause_of_a_difference_is_named(write_run: Writer, sweep: Path) -> None:
    write_run("a", {"choices.solver": "scs", "solver.eps": 1e-3, "patch_size": 32, "data.patch_size": 32})
    write_run("b", {"choices.solver": "ecos", "solver.tol": 1e-8, "patch_size": 64, "data.patch_size": 64})
    assert table_of(sweep, rows=["solver"]).notes == (
        "Changes along with the rows or columns: patch_size, data.patch_size.",
    )
    assert table_of(sweep, rows=["solver", "patch_size"]).notes == ()


def test_several_keys_and_metrics(demo: Path) -> None:
    table = table_of(
        demo, rows=["solver", "patch_size"], columns=["sigma", "predictor"], metrics=["solver/forward_seconds", "psnr"]
    )
    assert table.columns == ((15, "cnn"), (25, "cnn"), (50, "cnn"))
    assert entry(table, "learned map", "scs", 64, metric=0).mean == 0.5
    assert entry(table, "learned map", "scs", 64, metric=1).mean == 32.0
    noisy = next(line for line in table.lines if line.method == "noisy")
    assert noisy.cells[0][0] is None


def test_no_column_keys(demo: Path) -> None:
    table = table_of(demo, columns=[])
    assert table.columns == ((),)
    assert set(table.row_keys) == {"solver", "sigma"}


def test_a_key_that_some_runs_lack(write_run: Writer, sweep: Path) -> None:
    write_run("a", {"choices.solver": "scs", "solver.eps": 1e-3})
    write_run("b", {"choices.solver": "scs", "solver.eps": 1e-5})
    write_run("c", {"choices.solver": "tv", "solver": {}})
    table = table_of(sweep, rows=["solver.eps"])
    assert {line.row for line in table.lines} == {(1e-3,), (1e-5,), ("-",)}
    assert table.notes == ("Changes along with the rows or columns: solver.",)


def test_subset_reads_numbers_as_numbers(demo: Path) -> None:
    table = table_of(demo, subset={"sigma": ["15", "25.0"], "solver": ["scs"]})
    assert table.columns == ((15,), (25,))
    assert {line.row for line in table.lines} == {("scs",)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": ["solvr"]}, "solver"),
        ({"columns": ["sigm"]}, "sigma"),
        ({"metrics": ["pnsr"]}, "psnr"),
        ({"metrics": ["noisy/psnr"]}, "psnr"),
        ({"subset": {"sigma": ["99"]}}, "15, 25, 50"),
        ({"subset": {"sgma": ["15"]}}, "sigma"),
        ({"reference": "osqp"}, "ecos, scs"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(demo: Path, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table_of(demo, **options)


def test_best_of_every_column_is_bold(demo: Path) -> None:
    table = table_of(demo)
    best = {(table.lines[line].row[0], table.lines[line].method, column, m) for line, column, m in best_entries(table)}
    psnr = {("ecos", "learned map", column, 0) for column in range(3)}
    tied_ssim = {(solver, "learned map", column, 1) for column in range(3) for solver in ("ecos", "scs")}
    assert best == psnr | tied_ssim


def test_direction_decides_what_is_best(write_run: Writer, sweep: Path) -> None:
    metrics = {"stair/plateau_excess": -0.1, "baseline/stair/plateau_excess": 0.3, "noisy/stair/plateau_excess": -0.4}
    write_run("a", metrics=metrics | {"edge/gmsd": 0.1, "baseline/edge/gmsd": 0.2})
    table = table_of(sweep, metrics=["stair/plateau_excess", "edge/gmsd", "solver/forward_seconds"])
    best = {(table.lines[line].method, metric) for line, _, metric in best_entries(table)}
    assert best == {("learned map", 0), ("learned map", 1)}


def test_the_oracle_does_not_compete(write_run: Writer, sweep: Path) -> None:
    write_run("a", metrics={"oracle/psnr": 40.0})
    table = table_of(sweep, metrics=["psnr"])
    assert [line.method for line in table.lines] == ["noisy", "scalar lambda", "oracle lambda", "learned map"]
    assert {table.lines[line].method for line, _, _ in best_entries(table)} == {"learned map"}


@pytest.mark.parametrize(("value", "text"), [(None, "nan"), ("Infinity", "inf")])
def test_values_that_are_not_finite(write_run: Writer, sweep: Path, value: object, text: str) -> None:
    write_run("a", {"seed": 0}, metrics={"psnr": value})
    write_run("b", {"seed": 1})
    table = table_of(sweep)
    found = entry(table, "learned map", "scs")
    assert digits("psnr", found.mean) == text
    assert found.std is None
    assert bool(table.notes) == (text == "nan")
    bold = {table.lines[line].method for line, _, metric in best_entries(table) if metric == 0}
    assert bold == ({"scalar lambda"} if text == "nan" else {"learned map"})


def test_different_metrics_in_different_runs(write_run: Writer, sweep: Path) -> None:
    write_run("a", {"choices.solver": "scs"}, metrics={"edge/epi": 0.9})
    write_run("b", {"choices.solver": "ecos"})
    table = table_of(sweep, metrics=["psnr", "edge/epi"])
    assert entry(table, "learned map", "scs", metric=1).mean == 0.9
    (line,) = (line for line in table.lines if line.row == ("ecos",) and line.method == "learned map")
    assert line.cells[0][1] is None


def test_a_sweep_of_one_run(write_run: Writer, sweep: Path) -> None:
    write_run("a")
    table = table_of(sweep)
    assert table.row_keys == ("solver",)
    assert len(table.lines) == 3


def test_goodness() -> None:
    assert goodness("psnr", 3.0) == 3.0
    assert goodness("edge/gmsd", 3.0) == -3.0
    assert goodness("stair/plateau_excess", -3.0) == -3.0
    assert goodness("edge/gradient_ratio", 0.75) == -0.25
    assert goodness("psnr", math.nan) is None
    assert goodness("lam/mean", 1.0) is None
    assert goodness("no/such_metric", 1.0) is None
