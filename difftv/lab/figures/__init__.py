"""Figures of images, of training, and of whole sweeps. Each function returns a matplotlib Figure of its own.

Matplotlib is imported when the first of them is asked for: training does not wait for it. The names stand in
`__init__.pyi`.
"""

import lazy_loader

from difftv.extras import require

require("figures", "matplotlib", by="A figure")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
