"""A table as tidy CSV: one number a line, full precision, nothing rounded."""

import csv
import io

from difftv.lab.report.paired import Difference
from difftv.lab.report.settings import show
from difftv.lab.report.table import Table


def to_csv(table: Table) -> str:
    """Columns: the row keys, the column keys, method, metric, mean, std, n, low, high.

    A paired difference fills low and high (its 95 % interval) and counts images in n; every other line fills std,
    where there are several seeds, and counts seeds.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*table.row_keys, *table.column_keys, "method", "metric", "mean", "std", "n", "low", "high"])
    for line in table.lines:
        for column, cell in zip(table.columns, line.cells, strict=True):
            for metric, entry in zip(table.metrics, cell, strict=True):
                if entry is None:
                    continue
                head = [*map(show, (*line.row, *column)), line.method, metric, entry.mean]
                if isinstance(entry, Difference):
                    writer.writerow([*head, "", entry.n, entry.low, entry.high])
                else:
                    writer.writerow([*head, "" if entry.std is None else entry.std, entry.n, "", ""])
    return text.getvalue()
