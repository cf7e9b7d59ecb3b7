"""The same picture in several places: what is trained on should not be what is measured on."""

import logging
from collections import defaultdict
from collections.abc import Mapping

from difftv.lab.data.cache import CleanImages

log = logging.getLogger(__name__)

_NAMED = 10


def warn_of_repeated(sets: Mapping[str, CleanImages]) -> None:
    """Name the pictures that occur more than once, byte for byte, in one warning.

    Args:
        sets: name of a set (training, validation, ...) -> its images.
    """
    places: dict[str, list[str]] = defaultdict(list)
    for name, images in sets.items():
        for digest, path in zip(images.digests, images.paths, strict=False):
            places[digest].append(f"{path} ({name})")
    repeated = [" = ".join(same) for same in places.values() if len(same) > 1]
    if repeated:
        rest = f"; and {len(repeated) - _NAMED} more" if len(repeated) > _NAMED else ""
        log.warning(
            "%d of %d pictures occur more than once: %s%s. Numbers measured on training images are too good.",
            len(repeated),
            len(places),
            "; ".join(repeated[:_NAMED]),
            rest,
        )
