"""The same images are the same data set wherever they are stored; other images in the same place are another."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from difftv.lab.data import Folder, open_images
from difftv.lab.data.fingerprint import content_identity


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    (root / "more").mkdir(parents=True)
    for index, place in enumerate((root, root, root / "more")):
        Image.new("L", (8, 8), 40 * index).save(place / f"image{index}.bmp")
    return root


@pytest.fixture(autouse=True)
def _remembered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of these tests are younger than what is remembered in use."""
    monkeypatch.setattr("difftv.lab.data.fingerprint.SETTLED_NS", -(10**18))


def of(root: Path, cache: Path | None = None) -> str:
    return content_identity(Folder(root, validation_fraction=0.4).files(), cache)


def test_the_place_does_not_matter(images: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(images, tmp_path / "other" / "place")
    assert of(moved) == of(images)
    (tmp_path / "link").symlink_to(images)
    assert of(tmp_path / "link") == of(images)


def test_the_name_of_the_folder_does_not_matter(images: Path, tmp_path: Path) -> None:
    (images / "more" / "image2.bmp").rename(images / "more" / "image1.bmp")
    moved = shutil.copytree(images, tmp_path / "renamed")
    assert of(moved) == of(images)
    for root in (images, moved):
        splits = Folder(root).files()
        names = open_images([*splits.train, *splits.validation], None, splits.roots).names
        assert sorted(names) == ["image0", "image1", "more-image1"]


def test_the_identity_of_earlier_runs_stays(images: Path) -> None:
    """Recorded before names were made from the path below the root."""
    assert of(images) == "a3c64c7e475b3204"
    (images / "other").mkdir()
    (images / "more" / "image2.bmp").rename(images / "more" / "x.bmp")
    (images / "image1.bmp").rename(images / "other" / "x.bmp")
    assert of(images) == "2023ac0a17b0fa43"


def test_a_change_within_one_tick_is_seen(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("difftv.lab.data.fingerprint.SETTLED_NS", 2_000_000_000)
    frozen = (images / "image1.bmp").stat()
    monkeypatch.setattr("difftv.lab.data.fingerprint._facts", lambda path: (frozen.st_size, frozen.st_mtime_ns, 0, 0))
    before = of(images, tmp_path / "cache")
    flip_in_the_middle(images)
    assert of(images, tmp_path / "cache") != before


def flip_in_the_middle(images: Path) -> None:
    """Neither name, size nor time of change tells."""
    path = images / "image1.bmp"
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-30] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "one more": lambda images: Image.new("L", (8, 8), 7).save(images / "image9.bmp"),
    "one less": lambda images: (images / "image1.bmp").unlink(),
    "another name": lambda images: (images / "image1.bmp").rename(images / "renamed.bmp"),
    "other pixels": flip_in_the_middle,
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_images_are_another_data_set(change: str, images: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = of(images, cache)
    assert of(images, cache) == of(images) == before
    CHANGES[change](images)
    assert of(images, cache) == of(images) != before


def test_files_are_read_once(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = of(images, tmp_path / "cache")
    monkeypatch.setattr("difftv.lab.data.fingerprint._digest", lambda path: pytest.fail(f"{path} was read again"))
    assert of(images, tmp_path / "cache") == before


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"image0.bmp": 3}', b"[" * 100_000])
def test_a_damaged_memory_is_made_anew(damage: bytes, images: Path, tmp_path: Path) -> None:
    before = of(images, tmp_path / "cache")
    for path in (tmp_path / "cache").iterdir():
        path.write_bytes(damage)
    assert of(images, tmp_path / "cache") == before


def test_a_memory_that_cannot_be_kept_costs_time_only(images: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert of(images, tmp_path / "file") == of(images)


def test_a_link_that_leads_nowhere_is_an_image_that_will_be_left_out(images: Path) -> None:
    before = of(images)
    (images / "gone.bmp").symlink_to(images / "nowhere")
    assert of(images) != before
