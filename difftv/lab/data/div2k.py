"""DIV2K: 800 training and 100 validation photographs of 2K resolution (Agustsson & Timofte 2017)."""

import contextlib
from pathlib import Path

from difftv.arguments import boolean, directory
from difftv.errors import DataError
from difftv.extras import require
from difftv.lab.data.base import Archive, ImageSource, Splits, image_files

TRAIN = "DIV2K_train_HR"
VALIDATION = "DIV2K_valid_HR"

ARCHIVES = {
    TRAIN: Archive(
        url="https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip",
        size=3_530_603_713,
        sha256="9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
    ),
    VALIDATION: Archive(
        url="https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_valid_HR.zip",
        size=448_993_893,
        sha256="20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
    ),
}


class Div2k(ImageSource):
    """The official layout, `root/DIV2K_train_HR/*.png` and `root/DIV2K_valid_HR/*.png`; any subset will do.

    The images are for academic research only; their copyright stays with their owners. There is no public test split:
    evaluation takes the validation images.
    """

    def __init__(self, root: Path | str | None = None, download: bool = False) -> None:
        """
        Args:
            root: the directory that holds, or shall hold, the two directories.
            download: fetch what is missing (4 GB in all, 8 GB free space while unpacking).

        Raises:
            ValueError: an empty root, or download is no boolean.
        """
        self.root = None if root is None else directory("root", root)
        self.download = boolean("download", download)

    def files(self) -> Splits:
        if self.root is None:
            raise DataError(f"root=None: where is DIV2K? {_ADVICE}")
        if self.download:
            require("train", "requests", "filelock", by="data.download=true")
            from difftv.lab.data.download import fetch

            for name, archive in ARCHIVES.items():
                # A directory that existed before is no reason to take the images for there.
                with contextlib.suppress(OSError):
                    (self.root / name).rmdir()  # leaves a directory that holds anything
                fetch(archive, self.root / name)
        train, validation = self._images(self.root, TRAIN), self._images(self.root, VALIDATION)
        return Splits(train, validation, roots=(self.root,))

    @staticmethod
    def _images(root: Path, name: str) -> tuple[Path, ...]:
        place = root / name
        found = tuple(image_files(place)) if place.is_dir() else ()
        if not found:
            problem = "does not exist"
            if place.is_dir():
                # A download leaves what it finds alone.
                other = any(place.iterdir())
                problem = "holds files but no images: move it away" if other else "holds no images"
            raise DataError(f"root={root}: {place} {problem}. {_ADVICE}")
        return found


_ADVICE = (
    f"Set root to the directory that holds {TRAIN} and {VALIDATION}; with download=true both are downloaded there "
    "(4 GB, for academic research). Other data sets: folder (any directory of images), sample (no download)."
)
