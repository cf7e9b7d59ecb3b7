"""Which files a data set takes, and what it says when they are not there."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from difftv.errors import DataError
from difftv.lab.data import Div2k, Folder, Sample, open_images
from difftv.lab.data.base import image_files
from difftv.lab.data.div2k import ARCHIVES


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(paths, root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def test_files_are_found_recursively_in_natural_order(tmp_path):
    touch(tmp_path, "10.png", "9.PNG", "B/1.jpeg", "a/2.tif", "notes.txt", ".hidden.png", ".cache/x.png", "a/._2.tif")
    assert names(image_files(tmp_path), tmp_path) == ["9.PNG", "10.png", "a/2.tif", "B/1.jpeg"]


def test_a_directory_that_cannot_be_listed_is_named(tmp_path, caplog):
    assert image_files(tmp_path / "gone") == []
    assert str(tmp_path / "gone") in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


# --- Folder


def test_folder_split_is_fixed_and_complete(tmp_path):
    every = [f"{index}.png" for index in range(60)]
    touch(tmp_path, *every)
    splits = Folder(tmp_path, validation_fraction=0.25).files()
    train, validation = names(splits.train, tmp_path), names(splits.validation, tmp_path)
    assert sorted(train + validation) == sorted(every)
    assert 6 <= len(validation) <= 25
    assert splits.test == ()
    assert train == sorted(train, key=lambda name: int(name[:-4]))
    assert Folder(str(tmp_path), validation_fraction=0.25).files() == splits


def test_an_added_file_moves_no_other(tmp_path):
    touch(tmp_path, *(f"{index}.png" for index in range(40)))
    before = Folder(tmp_path, validation_fraction=0.3).files()
    touch(tmp_path, *(f"new{index}.png" for index in range(40)))
    after = Folder(tmp_path, validation_fraction=0.3).files()
    assert set(before.train) < set(after.train)
    assert set(before.validation) < set(after.validation)


def test_the_split_does_not_depend_on_where_the_folder_lies(tmp_path):
    for place in ("here", "there"):
        touch(tmp_path / place, *(f"{index}.png" for index in range(20)))
    here, there = (names(Folder(tmp_path / place).files().validation, tmp_path / place) for place in ("here", "there"))
    assert here == there


@pytest.mark.parametrize("fraction", [1e-9, 0.1, 1 - 1e-9])
@pytest.mark.parametrize("count", [2, 3, 11])
def test_no_split_is_empty(tmp_path, fraction, count):
    touch(tmp_path, *(f"{index}.png" for index in range(count)))
    splits = Folder(tmp_path, validation_fraction=fraction).files()
    assert splits.train
    assert splits.validation
    assert len(splits.train + splits.validation) == count


def test_held_out_directories_never_train(tmp_path):
    touch(tmp_path, "a.png", "b.png", "val/c.png", "test/d.png")
    splits = Folder(tmp_path, validation=tmp_path / "val", test=tmp_path / "test").files()
    assert names(splits.train, tmp_path) == ["a.png", "b.png"]
    assert names(splits.validation, tmp_path) == ["val/c.png"]
    assert names(splits.test, tmp_path) == ["test/d.png"]
    without = Folder(tmp_path, test=tmp_path / "test").files()
    assert "test/d.png" not in names(without.train + without.validation, tmp_path)


def test_folder_errors(tmp_path):
    touch(tmp_path, "one/a.png", "none/notes.txt")
    for arguments, message in {
        ("gone",): r"root=.*gone does not exist",
        ("one/a.png",): r"root=.* is not a directory",
        ("none",): r"root=.*none holds no image files",
        ("one",): r"single image \(a\.png\)",
        ("one", "gone"): r"validation=.*gone does not exist",
        ("one", "one"): r"none is left to train on",
        ("one", None, "none"): r"test=.*holds no image files",
    }.items():
        with pytest.raises(DataError, match=message):
            Folder(*(name and tmp_path / name for name in arguments)).files()


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan"), True])
def test_fraction_out_of_range(tmp_path, fraction):
    with pytest.raises(ValueError, match="validation_fraction"):
        Folder(tmp_path, validation_fraction=fraction)


@pytest.mark.parametrize("argument", ["root", "validation", "test"])
@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_path_is_not_the_working_directory(argument, empty):
    with pytest.raises(ValueError, match=f"{argument} must not be empty"):
        Folder(**{"root": "images", argument: empty})
    if argument == "root":
        with pytest.raises(ValueError, match="root must not be empty"):
            Div2k(empty)


# --- links


def test_linked_directories_are_followed_once_and_never_in_a_circle(tmp_path):
    touch(tmp_path, "root/a/1.png", "elsewhere/2.png", "elsewhere/deeper/3.png")
    (tmp_path / "root" / "A-link-that-sorts-first").symlink_to(tmp_path / "root" / "a")
    (tmp_path / "root" / "other").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "circle").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "self").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "nowhere").symlink_to(tmp_path / "gone")
    root = tmp_path / "root"
    assert names(image_files(root), root) == ["a/1.png", "other/2.png", "other/deeper/3.png"]


# --- Div2k


def test_div2k_takes_any_subset_of_the_official_layout(tmp_path):
    touch(tmp_path, "DIV2K_train_HR/0002.png", "DIV2K_train_HR/0001.png", "DIV2K_valid_HR/0801.png")
    splits = Div2k(tmp_path).files()
    assert names(splits.train, tmp_path) == ["DIV2K_train_HR/0001.png", "DIV2K_train_HR/0002.png"]
    assert names(splits.validation, tmp_path) == ["DIV2K_valid_HR/0801.png"]
    assert splits.test == ()


@pytest.mark.parametrize("layout", [None, "missing", "empty", "train only"])
def test_missing_div2k_says_how_to_go_on(tmp_path, layout):
    if layout == "empty":
        (tmp_path / "DIV2K_train_HR").mkdir()
    if layout == "train only":
        touch(tmp_path, "DIV2K_train_HR/0001.png")
    with pytest.raises(DataError) as caught:
        Div2k(None if layout is None else tmp_path).files()
    for advice in ("root", "download=true", "folder (", "sample ("):
        assert advice in str(caught.value)
    if layout == "train only":
        assert "DIV2K_valid_HR does not exist" in str(caught.value)


def test_div2k_downloads_both_archives_into_their_directories(tmp_path, monkeypatch):
    def fetch(archive, directory):
        touch(directory, f"{Path(archive.url).stem}.png")

    monkeypatch.setattr("difftv.lab.data.download.fetch", fetch)
    splits = Div2k(tmp_path, download=True).files()
    assert names(splits.train, tmp_path) == ["DIV2K_train_HR/DIV2K_train_HR.png"]
    assert names(splits.validation, tmp_path) == ["DIV2K_valid_HR/DIV2K_valid_HR.png"]
    assert all(archive.url.startswith("https://") for archive in ARCHIVES.values())


def test_an_empty_directory_does_not_pass_for_downloaded_images(tmp_path, monkeypatch):
    def fetch(archive, directory):
        if not directory.is_dir():
            touch(directory, "0001.png")

    monkeypatch.setattr("difftv.lab.data.download.fetch", fetch)
    (tmp_path / "DIV2K_train_HR").mkdir()
    touch(tmp_path, "DIV2K_valid_HR/notes.txt")
    with pytest.raises(DataError, match=r"DIV2K_valid_HR holds files but no images: move it away.*download=true"):
        Div2k(tmp_path, download=True).files()
    (tmp_path / "DIV2K_valid_HR" / "notes.txt").unlink()
    assert len(Div2k(tmp_path, download=True).files().validation) == 1


def test_real_div2k(div2k_root):
    splits = Div2k(div2k_root).files()
    assert {path.stem for path in splits.train}.isdisjoint(path.stem for path in splits.validation)
    assert len(splits.train) >= 1
    assert len(splits.validation) >= 1


# --- Sample


def test_sample_has_three_disjoint_splits_of_readable_images():
    splits = Sample().files()
    assert [len(split) for split in (splits.train, splits.validation, splits.test)] == [8, 2, 3]
    every = splits.train + splits.validation + splits.test
    images = open_images(every, None)
    assert images.skipped == ()
    assert len(set(images.names)) == 13
    assert min(min(shape) for shape in images.shapes) >= 300


def test_sample_names_what_an_installation_lacks(monkeypatch, tmp_path):
    monkeypatch.setattr("difftv.lab.data.sample.resources.files", lambda package: tmp_path)
    with pytest.raises(DataError, match=r"lacks astronaut\.png.*data set folder"):
        Sample().files()


def test_the_package_loads_without_hydra():
    program = (
        "import sys, difftv.lab.data;"
        "sys.exit(any(name.split('.')[0] in ('hydra', 'omegaconf') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
