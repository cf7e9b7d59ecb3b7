"""Configuration of Sphinx, for the site that `make docs` builds from this directory.

Pages are Markdown that reads as well where the repository is browsed; the gallery's scripts run while it builds.
"""

import importlib
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]

from benchmarks.torchvision_operators import declare  # noqa: E402

declare()


def usable(name: str) -> bool:
    """Whether a package is installed and can be imported."""
    try:
        importlib.import_module(name)
    except Exception:
        return False
    return True


HAS_DEEPINV = usable("deepinv")

project = "Diff-TV-Net"
author = "The Diff-TV-Net authors"
version = release = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "gallery_links",
    "measurements",
    "plain_docstrings",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "gallery", "_gallery/**/*.ipynb", "_gallery/**/*.py"]
nitpicky = True
# Names of other libraries in signatures: their indices are on the network, where a build need not be.
nitpick_ignore_regex = [("py:.*", r"(?!difftv\b).*"), ("py:class", r"difftv\.predictors\.\w+\.Raw\w+")]
default_role = "py:optional"

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["config.cache"]  # the gallery's options hold objects

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
# What is for deepinv and mrpro is documented without them.
autodoc_mock_imports = [name for name in ("deepinv", "mrpro") if not usable(name)]
python_maximum_signature_line_length = 88
add_module_names = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "_gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"__init__" if HAS_DEEPINV else r"__init__|deepinv",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "remove_config_comments": True,
    "capture_repr": ("_repr_html_",),
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "min_reported_time": 1,
    "plot_gallery": True,
}

html_theme = "furo"
html_title = f"Diff-TV-Net {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
# The summary below a search result is fetched, which browsers refuse for files: search works without a server.
html_show_search_summary = False
