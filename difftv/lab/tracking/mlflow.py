"""MLflow: one MLflow run per run, in the experiment named after the sweep.

Without a server (`uri`, or MLFLOW_TRACKING_URI) everything goes to one database beside the runs of the sweep,
`outputs/<sweep>/.mlflow/`: MLflow compares runs within one store only. An MLflow run is found again by the identity of
the run, so that an interrupted run goes on in it, and one that starts again from nothing replaces it.
"""

import contextlib
import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from difftv.extras import require
from difftv.lab.tracking.base import Cell, RunInfo, RunLog, Tracker
from difftv.lab.tracking.pictures import csv_text, flat, picture
from difftv.printing import printable_within

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

STORE = ".mlflow"
IDENTITY = "difftv.identity"  # tag
BATCH = 100  # parameters that a server takes at once, and the least of its other limits
LONGEST_VALUE = 500  # characters of a parameter that every server takes

logger = logging.getLogger(__name__)


class MlflowTracker(Tracker):
    """Logs to an MLflow server or store.

    Args:
        uri: a server (https://...) or a database (sqlite:///...); None = MLFLOW_TRACKING_URI of the environment, else
            a database beside the runs.
        lock_seconds: seconds to wait for other jobs of the sweep that open the database beside the runs.

    Raises:
        MissingDependencyError: MLflow is not installed.
    """

    tool = "MLflow"

    def __init__(self, uri: str | None = None, lock_seconds: float = 120.0) -> None:
        require("mlflow", "mlflow", "sqlalchemy", "alembic", "filelock", by="tracker=mlflow")
        if not lock_seconds > 0:
            raise ValueError(f"lock_seconds must be > 0 seconds, got {lock_seconds!r}.")
        self.uri = uri
        self.lock_seconds = lock_seconds

    def start(self, run: RunInfo) -> RunLog:
        uri = self.uri or os.environ.get("MLFLOW_TRACKING_URI")
        if uri:
            return self._log(run, uri, None)
        from filelock import FileLock

        store = run.directory.resolve().parent / STORE
        store.mkdir(exist_ok=True)
        uri = f"sqlite:///{store}/mlflow.db"
        logger.info("MLflow: compare the runs with: mlflow ui --backend-store-uri %s", uri)
        # Two jobs that make the tables of one database at once would fail, and two experiments get one name.
        with FileLock(store / "lock", timeout=self.lock_seconds):
            return self._log(run, uri, (store / "artifacts").as_uri())

    def _log(self, run: RunInfo, uri: str, artifacts: str | None) -> RunLog:
        with _quiet():
            from mlflow import MlflowClient

            client = MlflowClient(tracking_uri=uri)
            known = client.get_experiment_by_name(run.group)
            experiment = (
                client.create_experiment(run.group, artifact_location=artifacts)
                if known is None
                else known.experiment_id
            )
            found = client.search_runs([experiment], f"tags.`{IDENTITY}` = '{run.identity}'", max_results=1)
            if found and run.resumed_epoch:
                number = found[0].info.run_id
                client.update_run(number, status="RUNNING")
                logged = client.get_metric_history(number, "epoch")
                return _MlflowLog(client, number, max((int(metric.value) + 1 for metric in logged), default=0))
            for earlier in found:
                client.delete_run(earlier.info.run_id)
            tags = {IDENTITY: run.identity, "difftv.git_commit": run.git_commit or ""}
            number = client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
            _log_settings(client, number, {**flat(run.config), **flat(run.versions, "versions.")})
            client.log_dict(number, dict(run.config), "config.json")
            return _MlflowLog(client, number, 0)


class _MlflowLog(RunLog):
    """One open MLflow run; `first` is the first epoch that it does not hold yet."""

    def __init__(self, client: "MlflowClient", number: str, first: int) -> None:
        self.client = client
        self.number = number
        self.first = first
        self.last = max(first - 1, 0)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        if epoch >= self.first:
            self.last = max(epoch, self.last)
            self._metrics({**metrics, "epoch": epoch}, epoch)

    def figure(self, name: str, figure: "Figure", epoch: int | None = None) -> None:
        if epoch is None or epoch >= self.first:
            place = f"figures/{name}" + (".png" if epoch is None else f"/epoch{epoch:04d}.png")
            with _quiet():
                self.client.log_image(self.number, picture(figure), place)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        with _quiet():
            self.client.log_text(self.number, csv_text(columns, printable_within(list(rows))), f"{name}.csv")

    def summary(self, metrics: Mapping[str, float]) -> None:
        self._metrics(metrics, self.last)

    def close(self, *, failed: bool) -> None:
        with _quiet():
            self.client.set_terminated(self.number, status="FAILED" if failed else "FINISHED")

    def _metrics(self, metrics: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        rows = [Metric(name, float(value), now, step) for name, value in metrics.items()]
        with _quiet():
            for start in range(0, len(rows), BATCH):
                self.client.log_batch(self.number, metrics=rows[start : start + BATCH])


def _log_settings(client: "MlflowClient", number: str, settings: Mapping[str, Any]) -> None:
    from mlflow.entities import Param

    rows = [Param(key, str(value)[:LONGEST_VALUE]) for key, value in settings.items()]
    for start in range(0, len(rows), BATCH):
        client.log_batch(number, params=rows[start : start + BATCH])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the words of its libraries about each other, its search for git, and its telemetry."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
