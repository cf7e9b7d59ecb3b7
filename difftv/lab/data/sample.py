"""A small data set that needs no download: photographs inside the installed scikit-image."""

from importlib import resources
from pathlib import Path

from difftv.errors import DataError
from difftv.extras import require
from difftv.lab.data.base import ImageSource, Splits

_TRAIN = (
    "astronaut.png",
    "brick.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "ihc.png",
    "motorcycle_left.png",
    "retina.jpg",
)
_VALIDATION = ("rocket.jpg", "hubble_deep_field.jpg")
_TEST = ("camera.png", "chelsea.png", "gravel.png")


class Sample(ImageSource):
    """13 images of the scikit-image package: 8 to train, 2 to validate and 3 to test on, no scene in two of them.

    They make demonstrations and quick tests possible, not results worth publishing. As scikit-image states:

    | image | origin | terms |
    |---|---|---|
    | astronaut | NASA, Great Images | public domain |
    | brick, gravel | CC0 Textures | CC0 |
    | coins | Brooklyn Museum | no known restrictions |
    | grass | linolafett, DeviantArt | CC0 |
    | hubble_deep_field | NASA, HubbleSite | public domain |
    | ihc | Center for Microscopy and Molecular Imaging | no known restrictions |
    | motorcycle_left | Middlebury stereo 2014 (Scharstein et al.) | CC0 |
    | retina | Mikael Häggström, Wikimedia | CC0 |
    | rocket | SpaceX | public domain |
    | camera | Lav Varshney | CC0 |
    | chelsea | Stefan van der Walt | CC0 |
    | coffee | Rachel Michetti, Pikolo Espresso Bar | CC0 |
    """

    def files(self) -> Splits:
        require("train", "skimage", by="data=sample")
        directory = Path(str(resources.files("skimage"))) / "data"
        missing = [name for name in _TRAIN + _VALIDATION + _TEST if not (directory / name).is_file()]
        if missing:
            raise DataError(
                f"The installed scikit-image lacks {', '.join(missing)} (expected in {directory}). "
                "Reinstall it from its wheel: pip install --force-reinstall scikit-image. Or use the data set folder."
            )
        train, validation, test = (tuple(directory / name for name in names) for names in (_TRAIN, _VALIDATION, _TEST))
        return Splits(train, validation, test)
