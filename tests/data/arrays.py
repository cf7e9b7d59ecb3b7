"""Clean images without files."""

from pathlib import Path

import numpy as np

from difftv.lab.data import CleanImages


def in_memory(*images: np.ndarray) -> CleanImages:
    """The arrays as if they had been read from 0.png, 1.png, ..."""
    paths = [Path(f"{index}.png") for index in range(len(images))]
    return CleanImages(paths, [image.shape for image in images], [lambda image=image: image for image in images])
