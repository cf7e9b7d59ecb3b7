"""Training patches per second, with and without decoded images: is loading ever the bottleneck?"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.markdown import Table, milliseconds, three_digits
from difftv.lab.data import CleanImages, TrainingPatches, open_images
from difftv.lab.data.decoding import decode_gray

_SIGMA = 25.0  # the speed does not depend on it
_SEED = 0


@dataclass(frozen=True)
class LoadingRow:
    """One way of loading.

    Attributes:
        images: `files` (every crop decodes its whole image), `cache` (memory-mapped) or `memory`.
        preparation_seconds: seconds of decoding all images, or of opening the cache, before the first patch.
        patches: patches drawn while the clock ran.
        patches_per_second: crops, symmetries and noise included.
    """

    images: str
    preparation_seconds: float
    patches: int
    patches_per_second: float


def measure_loading(
    paths: Sequence[Path], patch_size: int, batch_size: int, cache_dir: Path, seconds: float
) -> list[LoadingRow]:
    """Draw training batches for some time in every way of loading.

    Args:
        paths: the image files.
        patch_size: side of a patch in pixels.
        batch_size: patches per batch.
        cache_dir: where the decoded images go, or are already.
        seconds: how long each way is measured, > 0; at least one batch is drawn.

    Returns:
        One row per way: `files`, `cache` and `memory`.

    Raises:
        DataError: no image is readable, or none as large as a patch.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be positive, got {seconds!r}.")
    cached, cache_seconds = _opened(paths, cache_dir)
    in_memory, memory_seconds = _opened(paths, None)
    undecoded = CleanImages(cached.paths, cached.shapes, [partial(decode_gray, path) for path in cached.paths])
    return [
        _measure(name, images, preparation, patch_size, batch_size, seconds)
        for name, images, preparation in (
            ("files", undecoded, 0.0),
            ("cache", cached, cache_seconds),
            ("memory", in_memory, memory_seconds),
        )
    ]


def _opened(paths: Sequence[Path], cache_dir: Path | None) -> tuple[CleanImages, float]:
    started = time.perf_counter()
    images = open_images(paths, cache_dir)
    return images, time.perf_counter() - started


def _measure(
    name: str, images: CleanImages, preparation: float, patch_size: int, batch_size: int, seconds: float
) -> LoadingRow:
    # An epoch of one crop per image would end, and be shuffled anew, after a few milliseconds.
    patches = TrainingPatches(images, patch_size=patch_size, sigma=_SIGMA, seed=_SEED, crops_per_image=batch_size)
    drawn = 0
    started = time.perf_counter()
    for epoch in count():
        for batch in patches.batches(epoch, batch_size):
            drawn += len(batch.clean)
            elapsed = time.perf_counter() - started
            if elapsed >= seconds:
                return LoadingRow(name, preparation, drawn, drawn / elapsed)
    raise AssertionError("unreachable: epochs do not end")


def loading_table(rows: Sequence[LoadingRow], patch_size: int, batch_size: int) -> Table:
    return Table(
        title="Loading training patches",
        remark=f"{patch_size}x{patch_size} px, batch {batch_size}, one thread; crops, symmetries and noise included. "
        "files = every crop decodes its image, cache = memory-mapped, memory = decoded once and kept.",
        heads=("images", "patches per second", "time per batch [ms]", "preparation [s]"),
        rows=[
            (
                row.images,
                three_digits(row.patches_per_second),
                milliseconds([batch_size / row.patches_per_second]),
                three_digits(row.preparation_seconds),
            )
            for row in rows
        ],
    )
