"""The commit that a result records is that of this code, or none."""

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from difftv.lab.rundir import provenance

if shutil.which("git") is None:
    pytest.skip("git is not installed", allow_module_level=True)


def git(directory: Path, *words: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *words], cwd=directory, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, of one file that has nothing to do with the package."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "--quiet")
    (root / "notes.txt").write_text("notes\n")
    git(root, "add", "notes.txt")
    git(root, "commit", "--quiet", "--message", "Notes")
    return root


def installed(root: Path) -> ModuleType:
    """The module as it would be imported from a copy of the package below `root`."""
    place = root / "difftv" / "lab" / "rundir" / "provenance.py"
    place.parent.mkdir(parents=True)
    shutil.copy(str(provenance.__file__), place)
    spec = importlib.util.spec_from_file_location("copied", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_repository_that_surrounds_the_installation_is_not_recorded(repository: Path) -> None:
    assert installed(repository / "venv" / "site-packages").git_commit() is None


def test_a_repository_that_holds_a_copy_somewhere_is_not_recorded(repository: Path) -> None:
    copy = installed(repository / "vendored")
    git(repository, "add", "vendored")
    git(repository, "commit", "--quiet", "--message", "A copy")
    assert copy.git_commit() is None


def test_a_package_that_the_repository_does_not_track_is_not_recorded(repository: Path) -> None:
    assert installed(repository).git_commit() is None


def test_the_checkout_of_the_code_itself_is_recorded(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = installed(repository)
    git(repository, "add", "difftv")
    git(repository, "commit", "--quiet", "--message", "The code")
    commit = git(repository, "rev-parse", "HEAD")
    assert copy.git_commit() == commit
    other = repository.parent / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert copy.git_commit() == commit
    (repository / "notes.txt").write_text("more notes\n")
    assert copy.git_commit() == f"{commit}-dirty"


def test_no_repository_at_all(tmp_path: Path) -> None:
    assert installed(tmp_path / "elsewhere").git_commit() is None
