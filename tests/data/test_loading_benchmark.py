"""The loading benchmark measures every way of loading, and the cache wins."""

import pytest

from benchmarks.loading import measure_loading
from difftv.errors import DataError


def test_the_cache_is_faster_than_the_files(write_png, tmp_path):
    paths = [write_png(f"{index}.png", 600, 800, seed=index) for index in range(2)]
    rows = measure_loading(paths, patch_size=16, batch_size=4, cache_dir=tmp_path / "cache", seconds=0.2)
    assert [row.images for row in rows] == ["files", "cache", "memory"]
    files, cache, _ = rows
    assert cache.patches_per_second > 2 * files.patches_per_second
    for row in rows:
        assert row.patches >= 4
        assert row.patches % 4 == 0


def test_bad_input(write_png, tmp_path):
    path = write_png("small.png")
    with pytest.raises(DataError, match="larger than every image"):
        measure_loading([path], patch_size=64, batch_size=4, cache_dir=tmp_path, seconds=0.1)
    with pytest.raises(ValueError, match="seconds"):
        measure_loading([path], patch_size=4, batch_size=4, cache_dir=tmp_path, seconds=0)
