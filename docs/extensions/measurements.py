"""The directive `measurement`: the tables of a stored benchmark.json, with the machine and the command.

```{measurement} two-shared-cores.json
```
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective


class Measurement(SphinxDirective):
    """Its argument: a file beside the page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        from benchmarks.stored import read

        _, path = self.env.relfn2path(self.arguments[0])
        self.env.note_dependency(path)
        try:
            stored = read(Path(path))
        except (OSError, ValueError) as error:
            raise self.error(str(error)) from error
        # A title within a directive would be a section within none.
        tables = [f"**{line[4:]}**" if line.startswith("### ") else line for line in stored.tables().splitlines()]
        container = nodes.container()
        self.state.nested_parse(StringList([*stored.where().splitlines(), "", *tables], source=path), 0, container)
        return container.children


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("measurement", Measurement)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
