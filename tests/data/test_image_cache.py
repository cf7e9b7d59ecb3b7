"""The cache gives the same pixels as decoding, survives damage, and never stops a run."""

import errno
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import difftv.lab.data.cache
import difftv.lab.data.fingerprint
from difftv.errors import DataError
from difftv.lab.data import Div2k, EvaluationPatches, default_cache_dir, open_images, warn_of_repeated
from difftv.lab.data.cache import MAX_OPEN_MAPS, unique_names
from difftv.lab.data.decoding import decode_gray


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def forbid_decoding(monkeypatch) -> None:
    def refuse(path: Path) -> np.ndarray:
        raise AssertionError(f"{path} was decoded again")

    monkeypatch.setattr(difftv.lab.data.cache, "_read", refuse)


@pytest.mark.parametrize("cached", [True, False])
def test_pixels_names_and_shapes(write_png, cache_dir, cached):
    paths = [write_png("b.png", 4, 9, seed=1), write_png("a.png", 5, 3, seed=2)]
    images = open_images(paths, cache_dir if cached else None)
    assert len(images) == 2
    assert images.paths == tuple(paths)
    assert images.names == ("b", "a")
    assert images.shapes == ((4, 9), (5, 3))
    assert images.skipped == ()
    for image, path in zip(images, paths, strict=True):
        np.testing.assert_array_equal(image, decode_gray(path))
        with pytest.raises(ValueError, match="read-only"):
            image[0, 0] = 1
    assert isinstance(images[0], np.memmap) == cached
    assert cache_dir.exists() == cached


def test_sixteen_bit_survives_the_cache(tmp_path, cache_dir):
    pixels = np.array([[0, 300], [40_000, 65_535]], dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(open_images([tmp_path / "deep.png"], cache_dir)[0], pixels)


def test_second_run_decodes_nothing(write_png, cache_dir, monkeypatch):
    paths = [write_png(f"{index}.png", seed=index) for index in range(3)]
    before = [np.array(image) for image in open_images(paths, cache_dir)]
    forbid_decoding(monkeypatch)
    for image, expected in zip(open_images(paths, cache_dir), before, strict=True):
        np.testing.assert_array_equal(image, expected)


def test_changed_file_is_decoded_again(write_png, cache_dir):
    path = write_png("a.png", seed=1)
    open_images([path], cache_dir)
    write_png("a.png", seed=2)
    os.utime(path, ns=(1, 1))
    np.testing.assert_array_equal(open_images([path], cache_dir)[0], decode_gray(path))


def replaced(path: Path, how: str) -> None:
    """Other pixels; neither size nor time of change tells."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-30] ^= 1
    target = path if how == "written over" else path.with_suffix(".new")
    target.write_bytes(content)
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    target.replace(path)
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize("settled", [True, False], ids=["long ago", "just now"])
@pytest.mark.parametrize("how", ["written over", "another file"])
def test_a_replacement_of_the_same_size_and_time_is_decoded(tmp_path, cache_dir, monkeypatch, how, settled):
    if settled:
        monkeypatch.setattr(difftv.lab.data.fingerprint, "SETTLED_NS", -(10**18))
    path = tmp_path / "a.bmp"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)
    before = np.array(open_images([path], cache_dir)[0])
    replaced(path, how)
    after = open_images([path], cache_dir)[0]
    np.testing.assert_array_equal(after, decode_gray(path))
    assert not np.array_equal(after, before)


def test_one_content_is_decoded_once_wherever_it_lies(write_png, tmp_path, cache_dir, monkeypatch):
    path = write_png("here/a.png")
    before = np.array(open_images([path], cache_dir)[0])
    (tmp_path / "here").rename(tmp_path / "there")
    forbid_decoding(monkeypatch)
    np.testing.assert_array_equal(open_images([tmp_path / "there" / "a.png"], cache_dir)[0], before)


@pytest.mark.parametrize("damage", ["truncated", "longer", "empty", "garbage", "other dtype", "pickle"])
def test_damaged_cache_file_is_rebuilt_and_never_executed(write_png, cache_dir, tmp_path, damage):
    path = write_png("a.png")
    open_images([path], cache_dir)
    (entry,) = cache_dir.glob("*.npy")
    whole, marker = entry.read_bytes(), tmp_path / "executed"
    if damage == "pickle":
        np.save(entry, np.array([_TouchOnUnpickling(marker)], dtype=object), allow_pickle=True)
        with entry.open("rb") as file:  # the trap works: loading it the careless way runs it
            np.load(file, allow_pickle=True)
        assert marker.exists()
        marker.unlink()
    elif damage == "other dtype":
        np.save(entry, np.zeros((8, 6)))
    else:
        entry.write_bytes(
            {"truncated": whole[:-5], "longer": whole + b"x", "empty": b"", "garbage": b"PK\x03\x04garbage"}[damage]
        )
    np.testing.assert_array_equal(open_images([path], cache_dir)[0], decode_gray(path))
    assert entry.read_bytes() == whole
    assert not marker.exists()


class _TouchOnUnpickling:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def test_the_trap_class_is_what_pickle_would_run(tmp_path):
    pickle.loads(pickle.dumps(_TouchOnUnpickling(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def test_unreadable_images_are_named_and_counted(write_png, tmp_path, cache_dir, caplog):
    good = write_png("good.png")
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    gone = tmp_path / "gone.png"
    images = open_images([bad, good, gone], cache_dir)
    assert images.names == ("good",)
    assert [path for path, _ in images.skipped] == [bad, gone]
    assert "not an image" in images.skipped[0][1]
    assert "no such file" in images.skipped[1][1]
    (record,) = caplog.records
    assert "2 of 3 image files left out" in record.getMessage()
    assert str(bad) in record.getMessage()


def test_a_warning_names_the_first_ten_only(write_png, tmp_path, caplog):
    good = write_png("good.png")
    open_images([good, *(tmp_path / f"gone{index}.png" for index in range(12))], None)
    assert "gone9.png" in caplog.text
    assert "gone10.png" not in caplog.text
    assert "and 2 more" in caplog.text


def test_nothing_readable_is_an_error(tmp_path, cache_dir):
    (tmp_path / "bad.png").write_text("no image")
    with pytest.raises(DataError, match=r"None of 1 image files.*bad\.png.*not an image"):
        open_images([tmp_path / "bad.png"], cache_dir)
    with pytest.raises(DataError, match="no image files"):
        open_images([], cache_dir)


def test_unwritable_cache_costs_one_warning_only(write_png, tmp_path, caplog):
    paths = [write_png(f"{index}.png", seed=index) for index in range(5)]
    (tmp_path / "file").touch()
    images = open_images(paths, tmp_path / "file" / "cache")
    for image, path in zip(images, paths, strict=True):
        np.testing.assert_array_equal(image, decode_gray(path))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "kept in memory" in record.getMessage()


def test_full_disk_costs_one_warning_only(write_png, cache_dir, caplog, monkeypatch):
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(difftv.lab.data.cache, "write_atomically", full)
    path = write_png("a.png")
    np.testing.assert_array_equal(open_images([path, path], cache_dir)[1], decode_gray(path))
    (record,) = caplog.records
    assert os.strerror(errno.ENOSPC) in record.getMessage()


@pytest.mark.usefixtures("jaxtyping_off")  # it looks at an image when it checks a sequence of them
def test_a_file_that_changes_while_the_cache_is_emptied_stops_the_run(write_png, cache_dir):
    path = write_png("a.png", seed=1)
    images = open_images([path], cache_dir)
    for entry in cache_dir.glob("*.npy"):
        entry.unlink()
    write_png("a.png", seed=2)
    with pytest.raises(DataError, match="has changed during the run"):
        images[0]


@pytest.mark.usefixtures("jaxtyping_off")
def test_a_cache_emptied_during_the_run_does_not_stop_it(write_png, cache_dir):
    path = write_png("a.png")
    images = open_images([path], cache_dir)
    for entry in cache_dir.iterdir():
        entry.unlink()
    np.testing.assert_array_equal(images[0], decode_gray(path))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts file descriptors through /proc")
def test_open_files_stay_few(write_png, cache_dir):
    paths = [write_png(f"{index}.png", 2, 2, seed=index) for index in range(2 * MAX_OPEN_MAPS)]
    before = len(os.listdir("/proc/self/fd"))
    images = open_images(paths, cache_dir)
    for index in range(len(images)):
        np.testing.assert_array_equal(images[index], decode_gray(paths[index]))
    assert len(os.listdir("/proc/self/fd")) <= before + MAX_OPEN_MAPS


def test_several_processes_fill_one_cache(write_png, cache_dir):
    paths = [write_png(f"{index}.png", 40, 50, seed=index) for index in range(6)]
    program = (
        "import sys; from pathlib import Path; from difftv.lab.data import open_images;"
        "print('ready', flush=True); input();"
        "images = open_images([Path(path) for path in sys.argv[2:]], Path(sys.argv[1]));"
        "print(sum(int(image.sum()) for image in images))"
    )
    command = [sys.executable, "-c", program, str(cache_dir), *map(str, paths)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    expected = sum(int(decode_gray(path).sum()) for path in paths)
    assert [int(process.communicate(timeout=60)[0]) for process in processes] == [expected] * 2
    assert len(list(cache_dir.glob("*.npy"))) == len(paths)


def test_slices(write_png):
    paths = [write_png(f"{index}.png", 3, 3 + index) for index in range(4)]
    part = open_images(paths, None)[1:3]
    assert part.names == ("1", "2")
    assert [image.shape for image in part] == [(3, 4), (3, 5)] == list(part.shapes)


def test_cache_directory_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DIFFTV_CACHE_DIR", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("DIFFTV_CACHE_DIR")
    assert "difftv" in default_cache_dir().parts


def test_names_are_short_and_unique():
    names = unique_names([Path(name) for name in ("x/a.png", "x/b.png", "y/b.png", "y/c.png", "y/c.jpg", "x/a.png")])
    assert len(set(names)) == len(names)
    assert names[1:5] == ("x-b", "y-b", "y-c.png", "y-c.jpg")
    assert not any("/" in name for name in names)


def test_names_follow_from_what_lies_below_the_root():
    inside = ["a.png", "a.jpg", "b.png", "sub/b.png", "x/c.png", "y/c.png", "d/e/f.png", "d/g/f.png", "g/f.png"]
    expected = ("a.png", "a.jpg", "b", "sub-b", "x-c", "y-c", "e-f", "d-g-f.png", "g-f.png")
    for root in (Path("/one/place"), Path("another"), Path()):
        assert unique_names([root / name for name in inside], [Path("/elsewhere"), root]) == expected


def test_part_of_the_images_keep_their_names(tmp_path, write_png):
    paths = [write_png("x/a.png", seed=1), write_png("y/a.png", seed=2)]
    images = open_images(paths, None, [tmp_path])
    assert images.names == ("x-a", "y-a")
    assert images[1:].names == ("y-a",)


def test_names_that_are_no_text_are_names(tmp_path, write_png, cache_dir):
    place = write_png("a.png")
    path = place.rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    images = open_images([path], cache_dir)
    items = EvaluationPatches(images, patch_size=None, sigma=25)
    assert items[0].name == "caf\udce9"
    assert items[0].noisy.isfinite().all()


def test_few_bits_in_deep_files_are_named(tmp_path, cache_dir, caplog):
    for name, white in (("deep.png", 4095), ("full.png", 65_535)):
        Image.fromarray(np.array([[0, white]], dtype=np.uint16)).save(tmp_path / name)
    for _ in range(2):  # decoded, and from the cache
        caplog.clear()
        open_images([tmp_path / "deep.png", tmp_path / "full.png"], cache_dir)
        (record,) = caplog.records
        assert "1 of 2 images are nearly black" in record.getMessage()
        assert f"{tmp_path / 'deep.png'} (its largest value is 4095 of 65535 (12 bit))" in record.getMessage()


def test_a_picture_in_two_sets_is_named(write_png, caplog):
    first, copy, other = (write_png(f"{index}.png", seed=index // 2) for index in (0, 1, 2))
    sets = {"training": open_images([first, other], None), "validation": open_images([copy], None)}
    warn_of_repeated(sets)
    (record,) = caplog.records
    assert f"1 of 2 pictures occur more than once: {first} (training) = {copy} (validation)." in record.getMessage()
    caplog.clear()
    warn_of_repeated({"training": open_images([first, other], None)})
    assert not caplog.records


def test_real_photographs(div2k_root, cache_dir):
    paths = Div2k(div2k_root).files().validation[:2]
    images = open_images(paths, cache_dir)
    assert [max(shape) for shape in images.shapes] == [2040, 2040]
    np.testing.assert_array_equal(images[1], decode_gray(paths[1]))
