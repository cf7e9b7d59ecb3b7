"""The cache of compiled kernels may be damaged, full or out of reach: a solve gives the same numbers."""

import logging
from pathlib import Path

import pytest

from difftv.solvers._compiler import kernel


def doubled(x):
    return 2.0 * x


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def files(cache: Path, suffix: str) -> list[Path]:
    return sorted(cache.rglob(f"*{suffix}"))


def test_a_kernel_is_read_from_the_cache(cache):
    assert kernel(doubled)(1.5) == 3.0
    again = kernel(doubled)
    assert again(1.5) == 3.0
    assert sum(again.stats.cache_hits.values()) == 1


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("length", [0, 40])
def test_a_damaged_file_is_written_anew(cache, suffix, length, caplog):
    kernel(doubled)(1.5)
    (damaged,) = files(cache, suffix)
    damaged.write_bytes(damaged.read_bytes()[:length])
    with caplog.at_level(logging.WARNING):
        assert kernel(doubled)(1.5) == 3.0
    assert "is damaged (" in caplog.text
    again = kernel(doubled)
    assert again(1.5) == 3.0
    assert sum(again.stats.cache_hits.values()) == 1


def test_a_full_disk_costs_a_compilation(cache, monkeypatch, caplog):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._open_for_write", full)
    with caplog.at_level(logging.WARNING):
        assert kernel(doubled)(1.5) == 3.0
        assert kernel(lambda x: 3.0 * x)(1.5) == 4.5
    assert caplog.text.count("No space left on device") == 1


def test_a_directory_that_cannot_be_made_costs_a_compilation(cache):
    cache.write_text("a file where the directory would be")
    assert kernel(doubled)(1.5) == 3.0
