from .files import write_beside_runs
from .latex import to_latex
from .markdown import absent_list, to_markdown
from .sweep import Absent, Run, Sweep, read_history, read_sweep
from .table import Table, build_table
from .tidy import to_csv

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
