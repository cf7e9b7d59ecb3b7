"""The two commands: what they print, what they write, and their exit codes."""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.closed_output import run_with_closed_output
from tests.conftest import PROJECT
from tests.report.conftest import Writer, run_writer

Main = Callable[[list[str]], int]


@pytest.fixture(scope="module")
def table_main() -> Main:
    return runpy.run_path(str(PROJECT / "experiments" / "table.py"))["main"]


@pytest.fixture(scope="module")
def report_main() -> Main:
    return runpy.run_path(str(PROJECT / "experiments" / "report.py"))["main"]


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_table_prints_and_writes_beside_the_runs(
    table_main: Main, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(demo)
    assert table_main([str(demo)]) == 0
    shown = capsys.readouterr().out
    assert "| learned map   | **32.25** / **0.8100** | **29.25** / **0.8100** | **26.25** / **0.8100** |" in shown
    assert "failed: solver=pdhg,sigma=25: SolverError: it broke" in shown
    assert str(demo / "solver=pdhg,sigma=25" / "run.log") in shown
    after = contents(demo)
    assert set(after) - set(before) == {"table.md", "table.csv", "table.tex"}
    assert {name: after[name] for name in before} == before
    assert after["table.md"].decode() in shown
    assert table_main([str(demo)]) == 0
    assert contents(demo) == after


def test_table_options(table_main: Main, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--rows",
        "solver,patch_size",
        "--columns",
        "sigma",
        "predictor",
        "--metric",
        "psnr",
        "--reference",
        "ecos",
    ]
    assert table_main([str(demo), *options, "--subset", "sigma=15,25", "predictor=cnn"]) == 0
    shown = capsys.readouterr().out
    assert "sigma = 25, predictor = cnn" in shown
    assert "sigma = 50" not in shown
    assert "learned map minus ecos" in shown
    assert "SSIM" not in shown


@pytest.mark.parametrize("main", ["table_main", "report_main"])
def test_bad_arguments_exit_with_2_and_say_why(
    main: str, demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    command: Main = request.getfixturevalue(main)
    (tmp_path / "empty").mkdir()
    for arguments, reason in (
        ([str(tmp_path / "absent")], "no directory"),
        ([str(tmp_path / "empty")], "no run in"),
        ([str(demo), "--rows", "solvr"], "Did you mean: solver"),
        ([str(demo), "--metric", "pnsr"], "No run has the metric"),
    ):
        assert command(arguments) == 2
        assert reason in capsys.readouterr().err
    assert not (demo / "table.md").exists()
    assert not (demo / "report.html").exists()


def test_table_of_a_sweep_that_only_runs(
    table_main: Main, sweep: Path, write_run: Writer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run("a", state="failed", error="ConfigError: sigma must be positive")
    assert table_main([str(sweep)]) == 2
    shown = capsys.readouterr().out
    assert "No run" in shown
    assert "ConfigError: sigma must be positive" in shown


def test_a_directory_that_cannot_be_written(
    table_main: Main, report_main: Main, demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("table.md", "report.html"):
        # a directory in the file's place is refused to root as well, unlike a missing permission
        (demo / name).mkdir()
    assert table_main([str(demo)]) == 0
    captured = capsys.readouterr()
    assert "| ecos   |" in captured.out
    assert "cannot be written" in captured.err
    assert report_main([str(demo)]) == 1
    assert "--output" in capsys.readouterr().err
    assert report_main([str(demo), "--output", str(tmp_path / "page.html")]) == 0
    assert not [path.name for path in demo.iterdir() if path.name.startswith((".table", ".rep"))]


def test_a_read_only_directory(table_main: Main, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo.chmod(0o555)
    try:
        if os.access(demo, os.W_OK):
            pytest.skip("this user may write everywhere")
        assert table_main([str(demo)]) == 0
    finally:
        demo.chmod(0o755)
    captured = capsys.readouterr()
    assert "| ecos   |" in captured.out
    assert "cannot be written" in captured.err


def test_report_without_a_display(demo: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-W", "error", str(PROJECT / "experiments" / "report.py"), str(demo)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (demo / "report.html").stat().st_size > 0


@pytest.mark.parametrize("script", ["table", "report", "status"])
def test_a_directory_whose_name_is_no_text_costs_no_result(
    script: str, sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write = run_writer(sweep)
    for seed in (0, 1):
        write(f"seed={seed}", {"seed": seed, "data.root": "/data/caf\udce9"}, images=(r"caf\udce9", "b"))
    write("failed", {"data.root": "/data/caf\udce9"}, state="failed", error="no image in /data/caf\udce9")
    main = runpy.run_path(str(PROJECT / "experiments" / f"{script}.py"))["main"]
    assert main([str(sweep)]) == 0
    capsys.readouterr().out.encode()
    for name in {"table": ("table.md", "table.csv", "table.tex"), "report": ("report.html",), "status": ()}[script]:
        (sweep / name).read_text(encoding="utf-8")


def test_a_table_is_written_where_the_output_is_closed(demo: Path) -> None:
    done = run_with_closed_output(PROJECT / "experiments" / "table.py", demo)
    assert done.returncode == 0, done.stderr
    assert "Broken" not in done.stderr
    assert (demo / "table.md").read_text(encoding="utf-8").startswith("### ")


def test_an_empty_path_is_refused(
    table_main: Main, report_main: Main, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for main, arguments in ((table_main, [""]), (report_main, [""]), (report_main, [str(demo), "--output", ""])):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
        assert "a path must not be empty" in capsys.readouterr().err
