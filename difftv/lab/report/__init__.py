"""Tables and pages from what finished runs left on disk; the names stand in `__init__.pyi`."""

import lazy_loader

from difftv.extras import require

require("train", "yaml", "jinja2", "markupsafe", by="A report")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
