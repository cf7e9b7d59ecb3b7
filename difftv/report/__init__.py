"""Tables and pages from what finished runs left on disk."""

from typing import TYPE_CHECKING

from difftv.lazy import lazily

if TYPE_CHECKING:
    from difftv.report.files import write_beside_runs
    from difftv.report.latex import to_latex
    from difftv.report.markdown import absent_list, to_markdown
    from difftv.report.sweep import Absent, Run, Sweep, read_history, read_sweep
    from difftv.report.table import Table, build_table
    from difftv.report.tidy import to_csv

__all__ = [
    "Absent",
    "Run",
    "Sweep",
    "Table",
    "absent_list",
    "build_table",
    "read_history",
    "read_sweep",
    "to_csv",
    "to_latex",
    "to_markdown",
    "write_beside_runs",
]

__getattr__ = lazily(
    __name__,
    {
        **dict.fromkeys(["Absent", "Run", "Sweep", "read_history", "read_sweep"], "sweep"),
        **dict.fromkeys(["Table", "build_table"], "table"),
        **dict.fromkeys(["absent_list", "to_markdown"], "markdown"),
        "to_csv": "tidy",
        "to_latex": "latex",
        "write_beside_runs": "files",
    },
)
