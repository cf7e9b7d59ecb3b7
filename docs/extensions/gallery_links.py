"""Links of the pages to scripts, [text](gallery/NAME.py), which lead to the page that the gallery makes of a script.

Where the repository is browsed they lead to the script. One that is not built here (its library is not installed) is
no link. Pages of scripts that are no longer there, or no longer built, are removed.
"""

import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"\[([^\]]*)\]\(gallery/(\w+)\.py\)")


def to_pages(text: str, scripts: set[str], built: set[str]) -> str:
    """The text with its links to scripts led to their pages.

    Args:
        text: text of a Markdown page.
        scripts: names of the scripts that the gallery has.
        built: names of those that have a page.

    Raises:
        ValueError: a link to a script that there is not.
    """
    missing = {link[2] for link in _LINK.finditer(text)} - scripts
    if missing:
        raise ValueError(f"link to gallery/{', '.join(sorted(missing))}.py, which does not exist.")
    return _LINK.sub(lambda link: f"[{link[1]}](_gallery/{link[2]}.rst)" if link[2] in built else link[1], text)


def _scripts(app: Any) -> tuple[set[str], set[str]]:
    """All of them, and those that are built."""
    options = app.config.sphinx_gallery_conf
    every = {path.stem for path in (Path(app.srcdir) / options["examples_dirs"]).glob("*.py")}
    return every, {name for name in every if not re.search(options["ignore_pattern"], f"{name}.py")}


def _remove_old(app: Any, config: Any) -> None:
    _, built = _scripts(app)
    for page in (Path(app.srcdir) / config.sphinx_gallery_conf["gallery_dirs"]).glob("plot_*"):
        if page.name.split(".")[0] not in built:
            page.unlink()


def _read(app: Any, name: str, source: list[str]) -> None:
    try:
        source[0] = to_pages(source[0], *_scripts(app))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def setup(app: Any) -> dict[str, Any]:
    app.connect("config-inited", _remove_old)
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
