"""Any directory of images."""

import hashlib
from pathlib import Path

from difftv.arguments import directory, positive
from difftv.axes import KINDS, checked_axes
from difftv.errors import DataError
from difftv.lab.data.base import SUFFIXES_OF, ImageSource, Splits, image_files


class Folder(ImageSource):
    """All images under a directory, recursively; or all volumes or signals.

    Without a validation directory, an image goes to validation when the hash of its path below `root` falls under
    `validation_fraction`: the split is the same on every machine, and a file that is added moves no other one. Files of
    the validation and test directories never train, even where these directories are below `root`.
    """

    axes = (1, 2, 3)

    def __init__(
        self,
        root: Path | str,
        validation: Path | str | None = None,
        test: Path | str | None = None,
        validation_fraction: float = 0.1,
        axes: int = 2,
        again: Path | str | None = None,
    ) -> None:
        """
        Args:
            root: directory of the training images.
            validation: directory of the validation images; None takes a share of the training images.
            test: directory of the test images; None evaluates on the validation images.
            validation_fraction: the share, in (0, 1); unused when `validation` is given.
            axes: number of axes of what is looked for: 2 = images, 3 = volumes (TIFF stacks, NIfTI, .npy), 1 = signals
                (.npy).
            again: directory of second noisy images of the scenes, each under the path that the first has below `root`,
                `validation` or `test`; None where there are none.

        Raises:
            ValueError: validation_fraction is not in (0, 1), axes is not 1, 2 or 3, or a directory is empty.
        """
        if positive("validation_fraction", validation_fraction) >= 1:
            raise ValueError(f"validation_fraction must be between 0 and 1, got {validation_fraction!r}. Try 0.1.")
        self.root = directory("root", root)
        self.validation = None if validation is None else directory("validation", validation)
        self.test = None if test is None else directory("test", test)
        self.validation_fraction = validation_fraction
        self._axes = checked_axes(axes)
        self.again = None if again is None else directory("again", again)

    def files(self) -> Splits:
        roots = tuple(root for root in (self.root, self.validation, self.test) if root is not None)
        test = () if self.test is None else _found("test", self.test, self._axes)
        held_out = () if self.validation is None else _found("validation", self.validation, self._axes)
        elsewhere = {path.resolve() for path in test + held_out}
        if self.again is not None and self.again.is_dir():
            elsewhere |= {path.resolve() for path in image_files(self.again, self._axes)}
        rest = [path for path in _found("root", self.root, self._axes) if path.resolve() not in elsewhere]
        if not rest:
            raise DataError(
                f"root={self.root} holds no image that is not a validation or test image: none is left to train on. "
                "Give validation and test directories of their own."
            )
        train, validation = (tuple(rest), held_out) if held_out else self._split(rest)
        return Splits(train, validation, test, roots, self._second((*train, *validation, *test), roots))

    def _second(self, paths: tuple[Path, ...], roots: tuple[Path, ...]) -> dict[Path, Path]:
        """File -> file of the second noisy image."""
        if self.again is None:
            return {}
        found = {}
        for path in paths:
            root = next(root for root in roots if path.is_relative_to(root))
            found[path] = self.again / path.relative_to(root)
            if not found[path].is_file():
                raise DataError(
                    f"again={self.again} holds no {path.relative_to(root)}, the second noisy image of {path}. Both "
                    "directories must hold the same names."
                )
        return found

    def _split(self, paths: list[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        if len(paths) < 2:
            raise DataError(
                f"root={self.root} holds a single image ({paths[0].name}), which cannot be split into training "
                "and validation. Add images, or set validation to another directory."
            )
        place = {path: _place(path.relative_to(self.root).as_posix()) for path in paths}
        held_out = {path for path in paths if place[path] < self.validation_fraction}
        if not held_out:
            held_out = {min(paths, key=place.__getitem__)}
        elif len(held_out) == len(paths):
            held_out.remove(max(paths, key=place.__getitem__))
        return tuple(path for path in paths if path not in held_out), tuple(path for path in paths if path in held_out)


def _place(name: str) -> float:
    """A number in [0, 1) that follows from the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:6]) / 2**48


def _found(key: str, place: Path, axes: int) -> tuple[Path, ...]:
    if not place.is_dir():
        problem = "is not a directory" if place.exists() else "does not exist"
        raise DataError(f"{key}={place} {problem}. Give a directory of images, or use the data set sample.")
    paths = tuple(image_files(place, axes))
    if not paths:
        kinds = (
            "image files (.png, .jpg, .tif, ...)" if axes == 2 else f"{KINDS[axes]} ({', '.join(SUFFIXES_OF[axes])})"
        )
        raise DataError(f"{key}={place} holds no {kinds}. Check the path.")
    return paths
