"""Decoded images, memory-mapped, so that a crop costs microseconds instead of the decoding of a whole picture."""

import hashlib
import io
import logging
import os
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import overload

import numpy as np
from tqdm import tqdm

from difftv.errors import DataError, MissingDependencyError
from difftv.files import write_atomically
from difftv.lab.data.base import CACHE_DIR_VARIABLE, unique_names
from difftv.lab.data.decoding import DECODER_VERSION, Pixels, to_colour, to_gray
from difftv.lab.data.fingerprint import UNREADABLE, file_digests
from difftv.lab.imagefiles import decode, read_content, unused_depth
from difftv.lab.imagefiles.volumes import read_samples

log = logging.getLogger(__name__)

# A memory map keeps a file descriptor, and some systems allow a process only 256 of them: maps are opened when needed
# (25 microseconds) and only the last few kept.
MAX_OPEN_MAPS = 32

_NAMED_IN_A_MESSAGE = 10


class CleanImages(Sequence[np.ndarray]):
    """Images, all gray or all RGB, that are loaded one at a time, when they are asked for; or volumes, or signals.

    Attributes:
        paths: the files, one per image.
        names: one short unique name per image: the file's stem where that is enough.
        shapes: (height, width) of every image, or the shape of its other axes, known without loading it.
        skipped: the files that were left out, each with the reason.
        digests: the SHA-256 of every file, or empty where the images come from no files.
        axes: number of axes of space: 1 for signals, 2 for images, 3 for volumes.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        shapes: Sequence[tuple[int, ...]],
        loaders: Sequence[Callable[[], Pixels]],
        skipped: Sequence[tuple[Path, str]] = (),
        names: Sequence[str] | None = None,
        digests: Sequence[str] = (),
        axes: int = 2,
    ) -> None:
        self.axes = axes
        self.paths = tuple(paths)
        self.names = unique_names(self.paths) if names is None else tuple(names)
        self.digests = tuple(digests)
        self.shapes = tuple(shapes)
        self.skipped = tuple(skipped)
        self._loaders = tuple(loaders)

    def __len__(self) -> int:
        return len(self._loaders)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice) -> "CleanImages": ...
    def __getitem__(self, index: int | slice) -> "Pixels | CleanImages":
        """The pixels of one image, (*space[, 3]), read-only, uint8 or uint16, or float32 in [0, 1] of volumes
        and signals without a full scale; a slice gives some images."""
        if isinstance(index, slice):
            return CleanImages(
                self.paths[index],
                self.shapes[index],
                self._loaders[index],
                self.skipped,
                self.names[index],
                self.digests[index],
                self.axes,
            )
        return self._loaders[index]()


def open_images(
    paths: Sequence[Path], cache_dir: Path | None, roots: Sequence[Path] = (), *, colour: bool = False, axes: int = 2
) -> CleanImages:
    """Decode image files, once for all runs.

    Unreadable files are left out, named in one warning and listed in `.skipped`. Several processes may fill the same
    cache at once. A cache that cannot be written costs a warning and memory, never the run.

    Args:
        paths: the image files; see `decode_gray` for what is read and how.
        cache_dir: where the decoded images are kept (one byte per sample, two for 16-bit images); None keeps them
            in memory instead. See `default_cache_dir`.
        roots: the directories that the user named, from which the images' names are made (`Splits.roots`).
        colour: RGB, a gray file as three equal channels, instead of gray, a colour file as luma.
        axes: number of axes: 2 for images, 3 for volumes, 1 for signals (`read_samples`).

    Returns:
        The readable images, in the order of `paths`.

    Raises:
        DataError: no file is readable, with the first reasons.
    """
    if not paths:
        raise DataError("There are no image files to open. Check the directory and the file name suffixes.")
    kind = _Kind(colour, axes)
    cache = None if cache_dir is None else _Cache(cache_dir, kind)
    digests = {} if cache_dir is None else file_digests(paths, cache_dir)
    opened: list[_Opened | str] = []
    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata; what matters is raised by decode
        results = threads.map(lambda path: _open(path, digests.get(path, UNREADABLE), cache, kind), paths)
        opened.extend(tqdm(results, total=len(paths), desc="decode images", unit="image", leave=False, disable=None))
    kept = [(path, result) for path, result in zip(paths, opened, strict=True) if isinstance(result, _Opened)]
    skipped = [(path, result) for path, result in zip(paths, opened, strict=True) if isinstance(result, str)]
    if not kept:
        raise DataError(f"None of {len(paths)} image files can be read: {_listed(skipped)}.")
    if skipped:
        log.warning("%d of %d image files left out: %s", len(skipped), len(paths), _listed(skipped))
    if dim := [(path, word) for path, image in kept if (word := _unused_depth(image))]:
        log.warning(
            "%d of %d images are nearly black, with white at 65535: scale them first. %s",
            len(dim),
            len(kept),
            _listed(dim),
        )
    files = [path for path, _ in kept]
    return CleanImages(
        files,
        [image.shape for _, image in kept],
        [image.load for _, image in kept],
        skipped,
        unique_names(files, roots),
        [image.digest for _, image in kept],
        axes,
    )


@dataclass(frozen=True)
class _Kind:
    """What a file is read as."""

    colour: bool
    axes: int

    @property
    def identity(self) -> str:
        """What of it is part of the name of a cache file; nothing for gray images."""
        return "\nRGB" * self.colour + f"\naxes {self.axes}" * (self.axes != 2)

    def fits(self, array: np.ndarray) -> bool:
        """Whether an array could be what was read."""
        rest = (3,) if self.colour else ()
        types = (np.uint8, np.uint16) if self.axes == 2 else (np.uint8, np.uint16, np.float32)
        return array.ndim == self.axes + len(rest) and array.shape[self.axes :] == rest and array.dtype in types


@dataclass(frozen=True)
class _Opened:
    shape: tuple[int, ...]
    dtype: np.dtype
    digest: str
    load: Callable[[], Pixels]


@dataclass(frozen=True)
class _CacheFile:
    """Where the pixels of one image are stored; enough to map them without reading the header again."""

    path: Path
    source: Path
    digest: str
    dtype: np.dtype
    shape: tuple[int, ...]
    offset: int
    kind: _Kind


class _Cache:
    """One .npy file per image, named after the hash of the source's content, the decoder's version and its kind."""

    def __init__(self, directory: Path, kind: _Kind) -> None:
        self.directory = directory
        self._kind = kind
        self._broken = threading.Event()
        self._warning = threading.Lock()
        self.load = lru_cache(maxsize=MAX_OPEN_MAPS)(_map)

    def find(self, source: Path, digest: str) -> _CacheFile | None:
        """The entry of a source with this content, or None where it is missing or not whole."""
        path = self._path(digest)
        try:
            mapped = np.lib.format.open_memmap(path, mode="r")  # never unpickles: refuses object arrays
            whole = self._kind.fits(mapped) and mapped.flags.c_contiguous
            if whole and path.stat().st_size == mapped.offset + mapped.nbytes:
                return _CacheFile(path, source, digest, mapped.dtype, mapped.shape, mapped.offset, self._kind)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, SyntaxError) as error:
            log.info("cache file %s is damaged (%s) and will be rebuilt", path, error)
        return None

    def put(self, source: Path, digest: str, image: Pixels) -> _CacheFile | None:
        """Write an entry; None once the directory has proved unwritable or full, which is warned about once."""
        if self._broken.is_set():
            return None
        content = io.BytesIO()
        np.save(content, image, allow_pickle=False)
        try:
            write_atomically(self._path(digest), content.getvalue())
        except OSError as error:
            self._give_up(error)
            return None
        return self.find(source, digest)

    def _path(self, digest: str) -> Path:
        identity = f"{DECODER_VERSION}\n{digest}{self._kind.identity}"
        return self.directory / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.npy"

    def _give_up(self, error: OSError) -> None:
        with self._warning:
            if not self._broken.is_set():
                self._broken.set()
                log.warning(
                    "cannot write to the image cache %s (%s): decoded images are kept in memory instead. "
                    "Point %s at a writable directory with free space.",
                    self.directory,
                    error.strerror or error,
                    CACHE_DIR_VARIABLE,
                )


def _open(path: Path, digest: str, cache: _Cache | None, kind: _Kind) -> "_Opened | str":
    """The image, or the reason why it cannot be had."""
    try:
        found = cache.find(path, digest) if cache and digest != UNREADABLE else None
        if found is None:
            digest, image = _read(path, kind)
            found = cache.put(path, digest, image) if cache else None
        if cache is not None and found is not None:
            return _Opened(found.shape[: kind.axes], found.dtype, digest, partial(cache.load, found))
        image.setflags(write=False)
        return _Opened(image.shape[: kind.axes], image.dtype, digest, lambda: image)
    except (DataError, MissingDependencyError) as error:
        return str(error)


def _unused_depth(image: _Opened) -> str:
    """8-bit images are not looked at: it would read the whole cache, for values that hardly occur."""
    return unused_depth(image.load()) if image.dtype == np.uint16 else ""


def _read(path: Path, kind: _Kind) -> tuple[str, Pixels]:
    """The hash of a file and its pixels, from one reading: a file may change between two."""
    content = read_content(path)
    if kind.axes == 2:
        image: Pixels = (to_colour if kind.colour else to_gray)(decode(content))
    else:
        image = read_samples(content, path.name, kind.axes)
    return hashlib.sha256(content).hexdigest(), image


def _map(file: _CacheFile) -> Pixels:
    try:
        return np.memmap(file.path, file.dtype, "r", file.offset, file.shape)
    except (OSError, ValueError):
        # The cache was cleaned while this process was using it.
        digest, image = _read(file.source, file.kind)
        if digest != file.digest:
            raise DataError(f"{file.source} has changed during the run. Start the run again.") from None
        image.setflags(write=False)
        return image


def _listed(skipped: Sequence[tuple[Path, str]]) -> str:
    named = "; ".join(f"{path} ({reason})" for path, reason in skipped[:_NAMED_IN_A_MESSAGE])
    rest = len(skipped) - _NAMED_IN_A_MESSAGE
    return f"{named}; and {rest} more" if rest > 0 else named
