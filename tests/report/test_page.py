"""The HTML report, in headless Chromium: it works alone, sorts, fits a phone, and runs no script but its own."""

import html
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from difftv.lab.figures import encode_figure, training_curves
from difftv.lab.report import build_table, page, read_sweep
from difftv.lab.report.page import to_html
from tests.report.conftest import Writer, run_writer, write_demo

ATTACK = "<script>parent.hacked = 1</script>\"'><img src=x onerror='parent.hacked = 1'>{{ 7 * 7 }}</title>$\\x$"

DRIVER = """
const frame = document.querySelector("iframe");
addEventListener("load", () => setTimeout(() => {
  const page = frame.contentDocument;
  const tables = [...page.querySelectorAll("table.sortable")];
  const column = (table, index) => [...table.tBodies[0].rows].map((row) => row.cells[index].textContent);
  const runs = tables[1];
  const heads = [...runs.tHead.rows[0].cells];
  const at = heads.findIndex((head) => head.textContent === "learned map: psnr");
  const sorted = [];
  for (let click = 0; click < 2; click++) {
    heads[at].querySelector("button").click();
    sorted.push([heads[at].getAttribute("aria-sort"), column(runs, at)]);
  }
  heads[0].querySelector("button").click();
  document.body.dataset.found = JSON.stringify({
    hacked: window.hacked ?? null,
    sorted, names: column(runs, 0), marked: heads.filter((head) => head.hasAttribute("aria-sort")).length,
    images: [...page.images].map((image) => image.naturalWidth),
    width: page.documentElement.scrollWidth, screen: frame.clientWidth,
    title: page.title, background: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
  });
}, 200));
"""


@pytest.fixture(scope="module")
def sweep_with_figures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("outputs") / "demo"
    directory.mkdir()
    write_demo(directory)
    history = [{"epoch": 1, "train/loss": 0.1, "validation/psnr": 20.0}]
    picture = encode_figure(training_curves(history), "png")
    for run in directory.glob("solver=ecos*"):
        (run / "figures" / "curves.png").write_bytes(picture)
    (directory / "solver=ecos,sigma=15" / "figures" / "unreadable.png").write_bytes(b"not a picture")
    write = run_writer(directory)
    metrics = {"psnr": None, "stair/plateau_excess": 0.2, "baseline/stair/plateau_excess": 0.3}
    write("attack", {"choices.solver": ATTACK, "sigma": 25, "patch_size": 32, "note": ATTACK}, metrics=metrics)
    write("attacked", {}, state="failed", error=ATTACK)
    return directory


def render(directory: Path) -> str:
    sweep = read_sweep(directory)
    return to_html(sweep, build_table(sweep, reference="scalar lambda"))


@pytest.fixture(scope="module")
def text(sweep_with_figures: Path) -> str:
    return render(sweep_with_figures)


class _Outside(HTMLParser):
    """Everything that a page would fetch, and every handler in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str | None]] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attrs:
            fetched = name in ("src", "srcset", "action", "data") or (tag == "link" and name == "href")
            if (fetched and not (value or "").startswith("data:")) or name.startswith("on"):
                self.found.append((tag, name, value))


def test_page_fetches_nothing_and_holds_no_foreign_script(text: str) -> None:
    outside = _Outside()
    outside.feed(text)
    assert outside.found == []
    assert outside.scripts == 1
    assert "&lt;script&gt;parent.hacked" in text
    assert "{{ 7 * 7 }}" in text
    assert "http://" not in text
    assert "https://" not in text


def test_logs_are_linked_where_they_are(text: str) -> None:
    links = re.findall(r'<a href="([^"]+)">run.log', text)
    assert "./solver%3Decos%2Csigma%3D15/run.log" in links
    assert "./solver%3Dpdhg%2Csigma%3D25/run.log" in links


def test_too_many_figures_become_links(sweep_with_figures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (sweep_with_figures / "solver=ecos,sigma=15" / "figures" / "curves.png").stat().st_size
    monkeypatch.setattr(page, "EMBEDDED_BYTES", 2 * size)
    limited = render(sweep_with_figures)
    assert limited.count("<figcaption>curves</figcaption>") == 2
    assert re.findall(r'<a href="([^"]+)">curves', limited) == ["./solver%3Decos%2Csigma%3D50/figures/curves.png"]
    assert "unreadable" not in limited


def test_page_of_a_sweep_without_a_finished_run(sweep: Path, write_run: Writer) -> None:
    write_run("a", state="failed", error="SolverError: it broke")
    text = to_html(read_sweep(sweep), None)
    assert "No run has finished yet" in text
    assert "SolverError: it broke" in text


def chromium(directory: Path, target: Path, *options: str) -> subprocess.CompletedProcess[str]:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed")
    quiet = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=10000"
    )
    command = [browser, *quiet.split(), f"--user-data-dir={directory / 'profile'}", *options, target.as_uri()]
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def drive(directory: Path, text: str, width: int, *options: str) -> dict:
    """What the page does inside a frame of that width: a window of Chromium cannot be as narrow as a phone."""
    frame = f'<iframe srcdoc="{html.escape(text)}" width="{width}" height="800" style="border:0"></iframe>'
    harness = directory / "harness.html"
    harness.write_text(f"<!doctype html><body>{frame}<script>{DRIVER}</script></body>", encoding="utf-8")
    dumped = chromium(directory, harness, "--dump-dom", *options).stdout
    (found,) = re.findall(r'<body data-found="([^"]*)"', dumped)
    return json.loads(html.unescape(found))


def test_page_in_a_browser(text: str, tmp_path: Path) -> None:
    found = drive(tmp_path, text, 390)
    assert found["hacked"] is None
    assert found["title"] == "demo"
    (up, ascending), (down, descending) = found["sorted"]
    assert (up, down) == ("ascending", "descending")
    assert ascending == ["26.00", "26.25", "29.00", "29.25", "32.00", "32.25", "nan"]
    assert descending == [*ascending[-2::-1], "nan"]
    assert found["names"] == sorted(found["names"])
    assert found["marked"] == 1
    assert len(found["images"]) == 6  # training, staircasing, solver time, and one of each ECOS run
    assert min(found["images"]) > 0
    assert found["width"] <= found["screen"] == 390


def test_page_has_no_console_messages(text: str, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    target.write_text(text, encoding="utf-8")
    assert "CONSOLE" not in chromium(tmp_path, target, "--dump-dom").stderr
    target.write_text("<script>console.error('seen')</script>", encoding="utf-8")
    assert "CONSOLE" in chromium(tmp_path, target, "--dump-dom").stderr


def test_page_follows_the_dark_scheme(text: str, tmp_path: Path) -> None:
    dark = drive(tmp_path, text, 1000, "--blink-settings=preferredColorScheme=0")
    light = drive(tmp_path, text, 1000, "--blink-settings=preferredColorScheme=1")
    brightness = [np.mean([int(part) for part in re.findall(r"\d+", each["background"])]) for each in (dark, light)]
    assert brightness[0] < 60
    assert brightness[1] > 200
