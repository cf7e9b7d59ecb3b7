"""Gray images where colour ones are wanted: noise of its own in three equal channels is another, easier problem."""

from difftv.errors import DataError
from difftv.lab.data.cache import CleanImages
from difftv.lab.data.decoding import Pixels

_ADVICE = (
    "As three equal channels with noise of its own in each they give numbers that compare with neither those of gray "
    "images nor those of colour ones."
)


def gray_names(images: CleanImages) -> tuple[str, ...]:
    """Names of the RGB images whose three channels are equal.

    Raises:
        DataError: all are.
    """
    names = tuple(name for name, image in zip(images.names, images, strict=True) if equal_channels(image))
    if len(names) == len(images):
        raise DataError(f"Every image is gray, and the model is one of colour images. {_ADVICE} Give colour images.")
    return names


def check_colour(images: CleanImages, kind: str) -> None:
    """Refuse RGB images of which not one has a colour; the first one that has ends the search.

    Args:
        images: opened with `colour=True`.
        kind: use of the images, in the message: training, validation, test.

    Raises:
        DataError: every image is gray.
    """
    if all(equal_channels(image) for image in images):
        raise DataError(
            f"Colour images are asked for, and every one of the {len(images)} {kind} images is gray. {_ADVICE} Give "
            "colour images, or take these as gray ones, of one channel."
        )


def equal_channels(image: Pixels) -> bool:
    """Whether an RGB image is a gray one in three equal channels."""
    return bool((image == image[..., :1]).all())
