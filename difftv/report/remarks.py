"""What a reader of a table must know before comparing its numbers."""

import math
from collections.abc import Sequence

from difftv.report.settings import EVALUATED_ON, NUM_IMAGES, Settings, confounded, show
from difftv.report.sweep import Run


def protocol(all_settings: Sequence[Settings]) -> str:
    """`Evaluated on validation (12 images)`; every kind, where the runs differ."""
    kinds = sorted({(show(each[EVALUATED_ON]), show(each[NUM_IMAGES])) for each in all_settings})
    return "Evaluated on " + "; ".join(f"{where} ({number} image{'s' * (number != '1')})" for where, number in kinds)


def key_remarks(all_settings: Sequence[Settings], shown: Sequence[str], *, added: Sequence[str]) -> list[str]:
    """Which keys became rows unasked, and which ones change along with those that are shown."""
    remarks = []
    if added:
        remarks.append(f"The runs also differ in {', '.join(added)}: added as rows, not averaged over.")
    hidden = confounded(all_settings, shown)
    if hidden:
        remarks.append(f"Changes along with the rows or columns: {', '.join(hidden)}.")
    return remarks


def metric_remarks(runs: Sequence[Run], names: Sequence[str]) -> list[str]:
    """Which runs hold something else than a number under one of these names, and which lack their rows per image."""
    remarks = [f"{run.name}: per_image.csv is missing or unreadable." for run in runs if not run.images]
    for run in runs:
        broken = [name for name in names if math.isnan(run.metrics.get(name, 0.0))]
        if broken:
            remarks.append(f"{run.name}: not a number: {', '.join(broken)}.")
    return remarks
