"""The same images are the same data set wherever they lie; other images in the same place are another."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from difftv.data import Folder
from difftv.data.contents import content_identity


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    (root / "more").mkdir(parents=True)
    for index, place in enumerate((root, root, root / "more")):
        Image.new("L", (8, 8), 40 * index).save(place / f"image{index}.bmp")
    return root


def of(root: Path, cache: Path | None = None) -> str:
    return content_identity(Folder(root, validation_fraction=0.4).files(), cache)


def test_the_place_does_not_matter(images: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(images, tmp_path / "other" / "place")
    assert of(moved) == of(images)
    (tmp_path / "link").symlink_to(images)
    assert of(tmp_path / "link") == of(images)


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
    monkeypatch.setattr("difftv.data.contents._digest", lambda path: pytest.fail(f"{path} was read again"))
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
