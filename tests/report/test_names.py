"""Names that are not UTF-8, and readers that leave early: nothing that was computed is lost."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from difftv.lab.report import build_table, read_sweep, to_csv, to_latex, to_markdown
from difftv.lab.report.page import to_html
from difftv.lab.runs.directory import RunDirectory
from difftv.printing import print_safely, printable
from tests.closed_output import run_with_closed_output
from tests.conftest import PROJECT
from tests.report.conftest import run_writer

BROKEN = os.fsdecode(b"caf\xe9")
SHOWN = r"caf\udce9"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A sweep in which no name is UTF-8: its folder, a run, the images, their folder, an error."""
    sweep = tmp_path / "outputs" / BROKEN
    sweep.mkdir(parents=True)
    write = run_writer(sweep)
    for name, psnr in (("a", 28.0), (f"b-{BROKEN}", 29.0)):
        run = write(name, {"data.root": f"/data/{BROKEN}-{psnr}"}, metrics={"psnr": psnr})
        rows = [{"psnr": psnr, "baseline/psnr": 27.0}, {"psnr": psnr + 1, "baseline/psnr": 27.5}]
        RunDirectory(run, "abc").write_per_image([f"{BROKEN}.png", "b"], rows)
    failed = write("c", state="failed")
    RunDirectory(failed, "abc").record_failure(ValueError(f"no {BROKEN}"), f"Trace of {BROKEN}\n", epochs=2)
    return sweep


def test_every_format_is_utf_8(broken: Path) -> None:
    sweep = read_sweep(broken)
    table = build_table(sweep, reference="scalar lambda")
    assert len(sweep.runs) == 2
    assert sweep.runs[0].images.keys() == {f"{SHOWN}.png", "b"}
    assert table.lines[0].row == (f"/data/{SHOWN}-28.0",)
    for text in (to_markdown(table), to_csv(table), to_latex(table), to_html(sweep, table)):
        text.encode()
        assert "udce9" in text or "U+DCE9" in text
    page = to_html(sweep, table)
    assert "./b-caf%E9/run.log" in page  # the link leads to the file, whatever is shown
    assert f"ValueError: no {SHOWN}" in page


def test_what_a_run_writes_is_utf_8(broken: Path) -> None:
    status = json.loads((broken / "c" / "status.json").read_text(encoding="utf-8"))
    assert status["error"] == f"ValueError: no {BROKEN}"
    assert f"Trace of {SHOWN}" in (broken / "c" / "run.log").read_text(encoding="utf-8")
    assert yaml.safe_load((broken / "a" / "config.yaml").read_text(encoding="utf-8"))["data"]["root"].startswith(
        "/data"
    )
    with (broken / "a" / "per_image.csv").open(encoding="utf-8", newline="") as file:
        assert [row["image"] for row in csv.DictReader(file)] == [f"{SHOWN}.png", "b"]


@pytest.mark.parametrize(
    ("script", "written", "encoding"),
    [("table", "table.md", "utf-8"), ("table", "table.md", "ascii"), ("report", "report.html", "utf-8"),
     ("status", None, "ascii")],
)  # fmt: skip
def test_the_commands(script: str, written: str | None, encoding: str, broken: Path) -> None:
    command = [sys.executable, str(PROJECT / "experiments" / f"{script}.py"), os.fsencode(broken)]
    environment = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"}
    done = subprocess.run(command, capture_output=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert b"udce9" in done.stdout or b"caf?" in done.stdout
    done.stdout.decode(encoding)
    assert written is None or (broken / written).read_text(encoding="utf-8")


@pytest.mark.parametrize(("script", "written"), [("table", "table.tex"), ("report", "report.html"), ("status", None)])
def test_a_reader_that_leaves_costs_nothing(script: str, written: str | None, demo: Path) -> None:
    watch = ["--watch", "0.1"] if script == "status" else []
    done = run_with_closed_output(PROJECT / "experiments" / f"{script}.py", demo, *watch)
    assert (done.returncode, "Error" in done.stderr) == (0, False), done.stderr
    assert written is None or (demo / written).stat().st_size > 0


def test_say_shows_what_the_stream_can_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_safely(f"± {BROKEN}")
    assert print_safely("why", error=True)
    assert capsys.readouterr() == (f"± {SHOWN}\n", "why\n")
    assert printable("café ± 中") == "café ± 中"
