"""The README's example runs, what README and docs name exists, and the citation is of this version."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from tests.conftest import CONF, PROJECT, options_of

README = (PROJECT / "README.md").read_text()
SWEEPS = (PROJECT / "docs" / "sweeps.md").read_text()
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]


def test_the_library_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 10
    check = "\nassert smooth.shape == noisy.shape and all(p.grad is not None for p in denoiser.parameters())"
    done = subprocess.run([sys.executable, "-c", example + check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_readme_is_read_in_one_go() -> None:
    assert len(README.splitlines()) <= 120


def test_every_option_of_every_group_is_in_the_table() -> None:
    rows = {line.split("|")[1].strip(" `"): line for line in SWEEPS.splitlines() if line.startswith("| `")}
    for group in (path.name for path in (PROJECT / "conf").iterdir() if path.is_dir() and path.name != "hydra"):
        for option in options_of(group):
            assert f"`{option}`" in rows[group], f"{group}={option}"


@pytest.mark.parametrize("solver", options_of("solver"))
def test_every_solver_is_in_the_readme(solver: str) -> None:
    assert f"`{solver}`" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_picture_leads_somewhere(page) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_script_and_experiment_that_is_named_exists(page) -> None:
    text = page.read_text()
    for script in re.findall(r"experiments/(\w+\.py)", text):
        assert (PROJECT / "experiments" / script).is_file(), script
    for experiment in re.findall(r"experiment=([\w/]+)\b(?!\()", text):
        place = CONF / "experiment" / experiment
        assert place.is_dir() or place.with_suffix(".yaml").is_file(), experiment


def test_the_citation_is_of_this_version_and_names_the_original() -> None:
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert any("original" in reference["title"] for reference in citation["references"])


@pytest.mark.parametrize("page", ["architecture.md", "paper_to_code.md"])
def test_every_file_that_is_named_is_there(page: str) -> None:
    text = (PROJECT / "docs" / page).read_text()
    named = set(re.findall(r"`((?:difftv|conf|tests)/[\w/.]+)`", text))
    assert len(named) > 1
    for path in named:
        assert (PROJECT / path).exists(), path
