"""Makes torchvision importable beside a torch of another build, such as a torch for CPUs beside a torchvision for CUDA.

Its compiled operators cannot be loaded there, and its import ends with an error where it states the shapes of results
of two of them. deepinv and mrpro import torchvision and call neither.
"""

import functools
import importlib.util
from pathlib import Path

import torch

_BOXES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_NAMES = ("nms", "qnms")


@functools.cache
def declare() -> torch.library.Library | None:
    """Declare those two operators, without an implementation; None where torchvision has its own, or is absent.

    To be called before torchvision is imported. The declaration lasts as long as the process.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        return None
    try:
        torch.ops.load_library(Path(found.origin).with_name("_C.so"))
    except OSError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in _NAMES:
            library.define(name + _BOXES)
        return library
    return None
