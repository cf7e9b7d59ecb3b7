"""Where a run's numbers and figures are shown while it goes: Weights & Biases, or nowhere.

What the project needs later (metrics.jsonl, result.json, per_image.csv) is written by the run itself and never read
back from here, so that losing a tracker loses a view and no result.
"""

from difftv.lab.tracking.base import RunInfo, RunLog, Tracker

__all__ = ["RunInfo", "RunLog", "Tracker"]
