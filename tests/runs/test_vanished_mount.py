"""A disk that goes away in the middle of a sweep: a line says what and where, no file is half written, the same command
goes on when it is back."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs.commands import SMALL, run
from tests.runs.faults import at
from tests.runs.outcomes import outcome

SWEEP = [
    *(word for word in SMALL if not word.startswith("optimizer.lr")),
    "solver=exact",
    "evaluation.oracle=false",
    "optimizer.lr=1e-2,1e-3",
]

READS_FAIL = ("EIO", "ESTALE", "ENOENT", "ENOTCONN")
WRITES_FAIL = ("EROFS", "ENOSPC", "EDQUOT")
FIRST = (READS_FAIL[0], WRITES_FAIL[0])

BREAK = """
import builtins, errno, io, os
def broken(function, writes, always=False):
    def called(path, *rest, **options):
        text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
        mode = options.get("mode", rest[0] if rest else "r")
        wants = writes(mode)
        if os.path.abspath(text).startswith({place!r}) and (wants or {reads}):
            raise OSError(errno.{name}, os.strerror(errno.{name}), text)
        return function(path, *rest, **options)
    return called
yes, no = lambda mode: True, lambda mode: False
opens = lambda mode: not isinstance(mode, str) or bool(set(mode) & set("wax+"))
flags = lambda flags: isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
for module, name, writes in [
    (io, "open", opens), (builtins, "open", opens), (os, "open", flags), (os, "mkdir", yes), (os, "replace", yes),
    (os, "rename", yes), (os, "link", yes), (os, "unlink", yes), (os, "remove", yes), (os, "utime", yes),
    (os, "stat", no), (os, "lstat", no), (os, "listdir", no), (os, "scandir", no),
]:
    setattr(module, name, broken(getattr(module, name), writes))
"""


AFTER_AN_EPOCH = """
import pathlib, subprocess, threading, time
def watch():
    while not any(pathlib.Path({folder!r}).glob("*/metrics.jsonl")):
        time.sleep(0.01)
    {action}
threading.Thread(target=watch, daemon=True).start()
"""


def breaks(place: Path, name: str, step: int) -> str:
    """From a step on, every operation below a directory fails, or every one that writes."""
    return at("difftv.step", step, BREAK.format(place=str(place), name=name, reads=name in READS_FAIL))


def runs(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/result.json"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    done = run("-m", *SWEEP, f"hydra.sweep.dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def check_equal(folder: Path, whole: Path) -> None:
    assert len(runs(folder)) == len(runs(whole)) == 2
    for one, other in zip(runs(folder), runs(whole), strict=True):
        for found, expected in zip(outcome(one)[2:], outcome(other)[2:], strict=True):
            assert found == expected
    for path in folder.rglob("*.json"):
        json.loads(path.read_text())
    assert [path for path in folder.rglob(".*") if path.name != ".lock"] == []


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in FIRST else pytest.mark.slow) for name in (*READS_FAIL, *WRITES_FAIL)],
)
def test_the_file_system_fails_from_one_step_on(name: str, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    done = run("-m", *SWEEP, f"hydra.sweep.dir={folder}", prelude=breaks(folder, name, 3))
    shown = done.stdout + done.stderr
    assert done.returncode == 1, shown
    assert "Traceback" not in shown
    assert os.strerror(getattr(errno, name)) in shown or "was deleted, moved or replaced" in shown
    assert str(folder) in shown
    assert "2 runs in" in shown
    done = run("-m", *SWEEP, f"hydra.sweep.dir={folder}")
    assert done.returncode == 0, done.stdout + done.stderr
    check_equal(folder, whole)


@pytest.fixture
def disk(tmp_path: Path):
    """A file system of its own, where this user may mount one, and the words that mount and unmount it."""
    place = tmp_path / "disk"
    place.mkdir()
    image = tmp_path / "disk.image"
    with image.open("wb") as file:
        file.truncate(32 * 2**20)
    mount = ["mount", "-o", "loop", str(image), str(place)]
    made = [["mkfs.ext4", "-q", "-F", str(image)], mount]
    if shutil.which("mkfs.ext4") is None or any(
        subprocess.run(words, capture_output=True, check=False).returncode for words in made
    ):
        pytest.skip("this user may not mount a file system")
    yield place, mount
    subprocess.run(["umount", "-l", str(place)], check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system")
@pytest.mark.parametrize(
    ("launcher", "when"),
    [
        pytest.param([], "step", id="basic"),
        pytest.param(["hydra/launcher=local", "hydra.launcher.jobs=1"], "epoch", id="local", marks=pytest.mark.slow),
    ],
)
def test_a_disk_that_is_unmounted(launcher: list[str], when: str, disk: tuple[Path, list[str]], whole: Path) -> None:
    place, mount = disk
    folder = place / "sweep"
    words = ["-m", *launcher, *SWEEP, f"hydra.sweep.dir={folder}"]
    gone = f"import subprocess\nsubprocess.run(['umount', '-l', {str(place)!r}], check=True)"
    # The jobs of the local launcher are in other processes, which the prelude does not reach.
    later = AFTER_AN_EPOCH.format(folder=str(folder), action=gone.partition("\n")[2])
    done = run(*words, prelude=at("difftv.step", 3, gone) if when == "step" else later)
    shown = done.stdout + done.stderr
    assert done.returncode == 1, shown
    assert "Traceback" not in shown
    assert "was deleted, moved or replaced" in shown
    assert str(folder) in shown
    assert list(place.rglob("result.json")) == []
    subprocess.run(mount, check=True)
    done = run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    check_equal(folder, whole)
