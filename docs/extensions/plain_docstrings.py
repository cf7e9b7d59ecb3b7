"""Docstrings here are plain text with `names`, which reStructuredText would misread: this turns one into the other.

    An indented block after an empty line is code or an equation (a literal block, without `::` before it), a block of
    lines with | in front is a table, and outside backticks * | _ are the signs that they are.

`names` become links where the name is documented, and are code where it is not; nothing has to be marked up for it.
"""

import re
import sys
from collections.abc import Iterator
from typing import Any

SECTIONS = {
    "Args": 8,
    "Attributes": 8,
    "Raises": 8,
    "Warns": 8,
    "Returns": 8,
    "Yields": 8,
    "Example": 4,
    "References": 4,
}
"""Google's sections, each with the deepest indentation that is still text in it."""

_ITEM = re.compile(r"(-|\d+\.) +")
_TYPE = re.compile(r"\s*:(var)?type\b")
_BACKTICKS = re.compile(r"(``.+?``|`[^`]+`)")


def to_rst(lines: list[str]) -> list[str]:
    """The lines of a cleaned docstring as reStructuredText, to be read by napoleon."""
    converted: list[str] = []
    deepest = 0
    for block in _blocks(lines):
        first = block[0]
        if _is_title(first):
            deepest = SECTIONS[first[:-1]]
            converted.append(first)
            continue
        if not first.startswith(" "):
            deepest = 0
        converted += [*_block(block, deepest), ""]
        item = _ITEM.match(block[-1])
        if item is not None:
            deepest = item.end()  # what is indented below an item belongs to it
    return converted


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Runs of lines between empty ones; a section's title begins one of its own."""
    block: list[str] = []
    for line in [*lines, ""]:
        if block and (not line.strip() or _is_title(line) or _is_title(block[0])):
            yield block
            block = []
        if line.strip():
            block.append(line)


def _is_title(line: str) -> bool:
    return line.endswith(":") and line[:-1] in SECTIONS


def _block(block: list[str], deepest: int) -> list[str]:
    first = block[0].lstrip()
    indent = _indent(block[0])
    if first.startswith(">>>"):
        return block
    if first.startswith("|") and len(block) > 1 and set(block[1].strip()) <= set("|-: "):
        return _table(block, indent)
    if indent > deepest:
        return [" " * deepest + "::", "", *block]
    return [escaped(line) for line in block]


def _table(block: list[str], indent: int) -> list[str]:
    """A Markdown table as a list-table."""
    margin = " " * indent
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in (block[0], *block[2:])]
    lines = [f"{margin}.. list-table::", f"{margin}   :header-rows: 1", ""]
    for row in rows:
        lines += [f"{margin}   {'*' if not index else ' '} - {escaped(cell)}" for index, cell in enumerate(row)]
    return lines


def escaped(line: str) -> str:
    """A line of text, what reStructuredText would take for markup made into what it says."""
    parts = _BACKTICKS.split(line)
    for index, part in enumerate(parts):
        if index % 2:
            # Code may stand inside a word or next to a sign.
            before = "" if not parts[index - 1] or parts[index - 1][-1] in " ([{" else "\\ "
            after = (
                ""
                if not parts[index + 1] or not (parts[index + 1][0].isalnum() or parts[index + 1][0] in "*|_")
                else "\\ "
            )
            parts[index] = before + part + after
        else:
            part = part.replace("\\", "\\\\").replace("*", r"\*").replace("|", r"\|")
            parts[index] = re.sub(r"(\w)_(?!\w)", r"\1\\_", part)
    return "".join(parts)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _process(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = to_rst(lines)


def _escape_types(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """The types that napoleon adds to attributes: shapes such as "batch *space", which are no emphasis."""
    lines[:] = [line.replace("*", r"\*") if _TYPE.match(line) else line for line in lines]


def _code_where_nothing_is_documented(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    return contnode if node.get("optional") or _is_no_class(node.get("reftarget", "")) else None


def _is_no_class(name: str) -> bool:
    """Whether a signature names a type variable or an alias of types, which are documented nowhere."""
    module, _, attribute = name.rpartition(".")
    found = getattr(sys.modules.get(module), attribute, None)
    return found is not None and not isinstance(found, type) and not callable(found)


def setup(app: Any) -> dict[str, Any]:
    from sphinx.domains.python import PyXRefRole

    class OptionalName(PyXRefRole):
        """A name in backticks: a link where it is documented."""

        def process_link(self, env: Any, refnode: Any, has_title: bool, title: str, target: str) -> tuple[str, str]:
            refnode["optional"] = True
            refnode["reftype"] = "obj"
            return super().process_link(env, refnode, has_title, title, target.removesuffix("()"))

    app.add_role_to_domain("py", "optional", OptionalName())
    app.connect("autodoc-process-docstring", _process, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", _escape_types, priority=600)  # after napoleon
    app.connect("missing-reference", _code_where_nothing_is_documented)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
