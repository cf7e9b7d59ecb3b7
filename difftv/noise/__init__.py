"""Noise as an object: what it draws, its standard deviation, its weight in the data term; and estimates from images.

The names stand in `__init__.pyi` and are imported when they are used: the card of a model is read without torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
