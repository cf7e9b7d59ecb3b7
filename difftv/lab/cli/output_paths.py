"""Where the results of several images go: planned, and known to be writable, before the first of them is computed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from difftv.errors import DataError
from difftv.files import check_writable
from difftv.lab.imagefiles import suffix_of


@dataclass(frozen=True)
class Targets:
    """The files that are written for one image."""

    denoised: Path
    picture: Path


def plan(paths: Sequence[Path], output: Path | None, inputs: Sequence[Path]) -> list[Targets | DataError]:
    """For every image its targets, or why it has none.

    NAME-denoised.SUFFIX (that of its format where a name has none) and NAME-lam.png, beside the image or in `output`;
    the picture of the map is called NAME.SUFFIX-lam.png where another image of the same name and another suffix goes to
    the same directory.

    Args:
        paths: the images.
        output: directory of what is written; None is that of every image.
        inputs: files that must not be overwritten.
    """
    places = [(output or path.parent).resolve() for path in paths]
    count = Counter(zip(places, [path.stem for path in paths], strict=True))
    read = {path.resolve() for path in inputs}
    written: dict[Path, Path] = {}
    planned: list[Targets | DataError] = []
    for path, place in zip(paths, places, strict=True):
        directory = output or path.parent
        name = path.stem if count[place, path.stem] == 1 else path.name
        stem, suffix = path.stem, suffix_of(path)
        if suffix == ".gz":  # NAME.nii.gz
            stem, suffix = Path(stem).stem, Path(stem).suffix + suffix
        targets = Targets(directory / f"{stem}-denoised{suffix}", directory / f"{name}-lam.png")
        try:
            if output is None and path.parent.resolve().parts[1:2] in (("dev",), ("proc",)):
                raise DataError("a device has no directory of its own: give one as --output")
            for target in (targets.denoised, targets.picture):
                _check(target, read, written)
        except DataError as error:
            planned.append(error)
            continue
        written |= dict.fromkeys((targets.denoised.resolve(), targets.picture.resolve()), path)
        planned.append(targets)
    return planned


def _check(target: Path, read: set[Path], written: dict[Path, Path]) -> None:
    if target.resolve() in read:
        raise DataError(f"{target} is one of the images: choose another --output")
    if target.resolve() in written:
        raise DataError(f"{target} is written for {written[target.resolve()]}: denoise one in another call")
    try:
        check_writable(target)
    except OSError as error:
        raise DataError(
            f"{target} cannot be written ({error.strerror or error}): choose another --output, or a shorter name"
        ) from error
