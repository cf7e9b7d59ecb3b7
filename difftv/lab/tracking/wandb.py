"""Weights & Biases: one W&B run per run, grouped by sweep, under the identity of the run.

Everything W&B writes goes to `<run directory>/wandb`. The step of a row is the epoch, set explicitly: a resumed run
continues its own steps, so the parts of an interrupted run, online or offline, join without repeating an epoch
(`wandb sync` uploads the pieces of one id in the order of their start).
"""

import logging
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from difftv.errors import ConfigError
from difftv.extras import require
from difftv.lab.tracking.base import Cell, NoLog, RunInfo, RunLog, Tracker
from difftv.lab.tracking.login import debug_log_inside, login_refusal, own_switch, quiet_wandb, reason
from difftv.lab.tracking.pictures import picture
from difftv.printing import printable_within

if TYPE_CHECKING:
    import wandb
    from matplotlib.figure import Figure

MODES = ("auto", "online", "offline", "disabled")
LONGEST_NAME = 128  # characters, the server's limit for names and groups

logger = logging.getLogger(__name__)


class WandbTracker(Tracker):
    """Logs to Weights & Biases.

    Args:
        mode: `auto` is online where a login works and otherwise offline, saying so in one line; `online` raises instead
            of going offline; `offline` never touches the network; `disabled` does nothing at all. `auto` also heeds
            W&B's own switch (`WANDB_MODE`, `wandb offline`).
        project: name of the W&B project.
        entity: W&B user or team; None = the account's default.
        init_timeout: seconds to wait for the server when a run starts.
        finish_timeout: seconds to wait at the end of a run for what is not uploaded yet; the rest stays on disk.

    Raises:
        ConfigError: the mode is unknown, or the project's name is one that W&B refuses.
        MissingDependencyError: wandb is not installed.
    """

    tool = "W&B"

    def __init__(
        self,
        mode: str = "auto",
        project: str = "diff-tv-net",
        entity: str | None = None,
        init_timeout: float = 30.0,
        finish_timeout: float = 60.0,
    ) -> None:
        require("train", "wandb", by="tracker=wandb")
        if mode not in MODES:
            raise ConfigError(f"mode must be one of {', '.join(MODES)}, got {mode!r}.")
        if not project or len(project) > LONGEST_NAME or set(project) & set("/\\#?%:"):
            raise ConfigError(
                f"project must have 1 to {LONGEST_NAME} characters, none of them one of / \\ # ? % :, got {project!r}."
            )
        for name, seconds in (("init_timeout", init_timeout), ("finish_timeout", finish_timeout)):
            if not seconds > 0:
                raise ConfigError(f"{name} must be > 0 seconds, got {seconds!r}.")
        self.mode = mode
        self.project = project
        self.entity = entity
        self.init_timeout = init_timeout
        self.finish_timeout = finish_timeout

    def reason(self, error: Exception) -> str:
        return reason(error)

    def check(self) -> None:
        """Where `mode=online` is forced, refuse to begin without a login that works."""
        if self.mode == "online":
            refusal = login_refusal()
            if refusal:
                raise _forced_online(refusal)

    def start(self, run: RunInfo) -> RunLog:
        """Open the W&B run.

        Raises:
            ConfigError: `mode=online` is forced and W&B cannot be used: no login, a wrong one, no network.
        """
        if self.mode == "disabled":
            return NoLog()
        with debug_log_inside(run.directory):
            switch = own_switch()
        mode = switch if self.mode == "auto" else self.mode
        if mode == "disabled":
            logger.info("W&B is switched off by its own settings (WANDB_MODE): nothing is logged to it.")
            return NoLog()
        why, level = "as asked", logging.INFO
        if mode == "online":
            refusal = login_refusal()
            if refusal is None:
                try:
                    return self._log(run, "online")
                except quiet_wandb().Error as error:
                    refusal = reason(error)
            if self.mode == "online":
                raise _forced_online(refusal)
            why, level = refusal, logging.WARNING
        sync = shlex.join(["wandb", "sync", str(run.directory / "wandb")])
        logger.log(level, "W&B records this run offline: %s. Upload it later with: %s", why, sync)
        return self._log(run, "offline")

    def _log(self, run: RunInfo, mode: Literal["online", "offline"]) -> RunLog:
        session = quiet_wandb().init(
            mode=mode,
            dir=str(run.directory),
            project=self.project,
            entity=self.entity,
            id=run.identity,
            name=run.name[:LONGEST_NAME],
            group=run.group[:LONGEST_NAME],
            config={**run.config, "git_commit": run.git_commit, "versions": dict(run.versions)},
            # A run that starts again from nothing replaces what an earlier attempt had uploaded.
            resume="allow" if run.resumed_epoch else None,
            # Unlike the other ways, this one never touches a run that is still open in this process.
            reinit="create_new",
            settings=self._settings(run),
        )
        session.define_metric("epoch", hidden=True)
        session.define_metric("*", step_metric="epoch")
        if mode == "online":
            logger.info("W&B: %s", session.url)
        return _WandbLog(session, max(session.starting_step, run.resumed_epoch + 1 if run.resumed_epoch else 0))

    def _settings(self, run: RunInfo) -> "wandb.Settings":
        settings = quiet_wandb().Settings(
            silent=True,
            console="off",
            symlink=False,
            disable_code=True,
            disable_git=True,  # the commit is known already, and asking git costs a process
            git_commit=run.git_commit,
            init_timeout=self.init_timeout,
            finish_timeout=self.finish_timeout,
            finish_timeout_raises=True,
        )
        if hasattr(settings, "x_transaction_log_flush_interval"):  # the next version may not have it
            # Seconds of history that a run which is killed may lose from W&B's file; 15 otherwise.
            settings.x_transaction_log_flush_interval = 1.0
        return settings


class _WandbLog(RunLog):
    """One open W&B run.

    `first` is the first step that W&B does not have yet, `step` the one that comes next. Figures wait in `waiting`
    for the numbers of their epoch and go out in one row with them: a row that a killed process leaves half filled
    would count as logged when the run is resumed.
    """

    def __init__(self, session: "wandb.Run", first: int) -> None:
        self.session = session
        self.first = first
        self.step = first
        self.waiting: dict[str, Any] = {}

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        if epoch >= self.first:
            self.step = max(epoch, self.step)
            self._row({"epoch": epoch, **metrics})

    def figure(self, name: str, figure: "Figure", epoch: int | None = None) -> None:
        if epoch is None or epoch >= self.first:
            self.waiting[name] = _image(figure)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        table = quiet_wandb().Table(columns=list(columns), data=printable_within(list(rows)), allow_mixed_types=True)
        # A table that is not bound yet is also made an artifact, for which W&B asks the server and waits (10 s with a
        # network without an answer, then an exception) and copies files into the home directory.
        table.bind_to_run(self.session, name, self.step)
        self.waiting[name] = table

    def summary(self, metrics: Mapping[str, float]) -> None:
        self.session.summary.update(dict(metrics))

    def close(self, *, failed: bool) -> None:
        try:
            if self.waiting:
                self._row({})
        finally:
            self._finish(failed)

    def _finish(self, failed: bool) -> None:
        try:
            self.session.finish(exit_code=int(failed))
        except TimeoutError:
            logger.warning(
                "W&B: not everything was uploaded in time. It is kept on disk; upload the rest with: %s",
                shlex.join(["wandb", "sync", "--include-online", str(Path(self.session.dir).parent)]),
            )

    def _row(self, row: dict[str, Any]) -> None:
        row |= self.waiting
        self.waiting = {}
        self.session.log(row, step=self.step, commit=True)
        self.step += 1


def _forced_online(refusal: str) -> ConfigError:
    return ConfigError(
        f"mode=online, but W&B cannot be used: {refusal}. With mode=auto the run is recorded offline where it "
        "cannot be reached."
    )


def _image(figure: "Figure") -> "wandb.Image":
    return quiet_wandb().Image(picture(figure))
