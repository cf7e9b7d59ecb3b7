"""The site: its gallery, its pages, the API that it lists, and that it is not built from something broken."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import difftv
import difftv.lab.data
import difftv.lab.figures
import difftv.metrics
from tests.conftest import PROJECT
from tests.docs.extension import extension

DOCS = PROJECT / "docs"
SCRIPTS = sorted((DOCS / "gallery").glob("*.py"))
API = "\n".join(path.read_text() for path in (DOCS / "api").glob("*.rst"))
NEEDED = ("sphinx", "myst_parser", "sphinx_gallery", "sphinx_copybutton", "furo")


def needs_the_site_packages() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (extra docs)")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_compiles_has_a_title_and_is_run(script: Path) -> None:
    text = script.read_text()
    compile(text, script.name, "exec")
    title, rule = text.removeprefix('"""\n').splitlines()[:2]
    assert rule == "=" * len(title)
    assert re.fullmatch(r"plot_\d+_\w+", script.stem), "only scripts whose name begins with plot_ are run"


@pytest.mark.parametrize("name", sorted(difftv.__all__))
def test_every_public_name_is_in_the_api(name: str) -> None:
    assert re.search(rf"^\.\. auto(class|function):: difftv\.{name}$", API, re.MULTILINE)


@pytest.mark.parametrize("package", [difftv.lab.data, difftv.lab.figures], ids=lambda package: package.__name__)
def test_every_name_of_a_documented_package_is_in_the_api(package) -> None:
    for name in set(package.__all__) - {"warn_of_repeated"}:
        assert f":: {package.__name__}.{name}\n" in API, name


def test_every_metric_is_in_the_api() -> None:
    about_metrics = {"DIRECTION", "MEANING", "Direction", "Meaning", "meaning_of"}
    collections = {"image_metrics", "map_metrics", "field_metrics", "grouped", "map_groups"}
    for name in set(difftv.metrics.__all__) - about_metrics - collections:
        assert f":: difftv.metrics.{name}\n" in API, name


def test_links_to_scripts_lead_to_their_pages() -> None:
    to_pages = extension("gallery_links").to_pages
    text = "see [one](gallery/plot_1.py) and [two](gallery/plot_2.py)"
    assert to_pages(text, {"plot_1", "plot_2"}, {"plot_1"}) == "see [one](_gallery/plot_1.rst) and two"
    with pytest.raises(ValueError, match="plot_2"):
        to_pages(text, {"plot_1"}, {"plot_1"})


def python_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("block", python_blocks("quickstart.md"))
def test_the_quickstart_runs(block: str) -> None:
    exec(compile(block, "quickstart.md", "exec"), {})


@pytest.fixture
def small_site(tmp_path: Path) -> Path:
    """The site's configuration around one page and an empty gallery."""
    docs = tmp_path / "docs"
    (docs / "gallery").mkdir(parents=True)
    for name in ("extensions", "_static"):
        shutil.copytree(DOCS / name, docs / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(DOCS / "conf.py", docs)
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    (docs / "gallery" / "GALLERY_HEADER.rst").write_text("Gallery\n=======\n")
    (docs / "gallery" / "plot_1_good.py").write_text('"""\nGood\n====\n\nIt runs.\n"""\nprint(6 * 7)\n')
    (docs / "index.md").write_text("# Site\n\n```{toctree}\n_gallery/index\n```\n")
    return docs


def build(docs: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", str(docs), str(docs / "_build")]
    return subprocess.run(command, cwd=docs, capture_output=True, text=True, check=False, timeout=300)


def test_a_script_that_raises_ends_the_build_with_its_name(small_site: Path) -> None:
    needs_the_site_packages()
    done = build(small_site)
    assert done.returncode == 0, done.stderr
    assert "42" in (small_site / "_build" / "_gallery" / "plot_1_good.html").read_text()
    (small_site / "gallery" / "plot_2_broken.py").write_text(
        '"""\nBroken\n======\n"""\nraise RuntimeError("too bad")\n'
    )
    done = build(small_site)
    assert done.returncode != 0
    assert "plot_2_broken.py" in done.stderr
    assert "too bad" in done.stderr


def test_broken_links_end_the_build(small_site: Path) -> None:
    needs_the_site_packages()
    with (small_site / "index.md").open("a") as page:
        page.write("\n[page](nowhere.md), [section](#no-such-section), {py:func}`difftv.no_such_function`\n")
    done = build(small_site)
    assert done.returncode != 0
    for missing in ("nowhere.md", "no-such-section", "no_such_function"):
        assert missing in done.stderr
