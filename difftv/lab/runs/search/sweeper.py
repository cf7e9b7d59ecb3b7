"""The sweeper of a search: choose trials, have them carried out as ordinary runs, tell the study, and again."""

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from difftv.errors import ConfigError, DiffTVError
from difftv.lab.rundir.layout import JOURNAL, METRICS
from difftv.lab.rundir.objective import of_best_epoch
from difftv.lab.rundir.reading import read_epochs
from difftv.lab.rundir.search import write_search
from difftv.lab.runs.claim import file_lock
from difftv.lab.runs.config import without_wrapping
from difftv.lab.runs.launchers.jobs import MARK
from difftv.lab.runs.outcomes import GOOD, Planned, look_ahead, outcome, summary
from difftv.lab.runs.search.comparable import probes, settings_of
from difftv.lab.runs.search.options import SearchOptions
from difftv.lab.runs.search.space import split, words
from difftv.printing import print_safely

if TYPE_CHECKING:
    from difftv.lab.runs.search.study import SearchStudy

log = logging.getLogger(__name__)

LOCK = "search.lock"


@dataclass(frozen=True)
class _Begun:
    """A trial, the overrides of its job, and its run as it was found before."""

    number: int
    job: list[str]
    run: Planned


class SearchSweeper(Sweeper):
    """Searches with Optuna; see `SearchOptions` and conf/hydra/sweeper/optuna.yaml.

    Args:
        n_trials, n_jobs, metric, direction, seed, sampler, startup_trials, pruner, warmup_epochs,
            reduction_factor: `SearchOptions`.
        params: overrides that come before those of the command line, as in Hydra's own sweeper.
        trial: None; the jobs are told theirs here.
    """

    def __init__(
        self,
        n_trials: int,
        n_jobs: int,
        metric: str | Sequence[str],
        direction: str | Sequence[str],
        seed: int,
        sampler: str,
        startup_trials: int,
        pruner: str,
        warmup_epochs: int,
        reduction_factor: int,
        params: Mapping[str, Any] | None,
        trial: None,
    ) -> None:
        try:
            self.options = SearchOptions(
                n_trials,
                n_jobs,
                metric,
                direction,
                seed,
                sampler,
                startup_trials,
                pruner,
                warmup_epochs,
                reduction_factor,
            )
        except ConfigError as error:
            sys.exit(f"error: {error}")
        self.params = dict(params or {})
        self.context: HydraContext | None = None
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None
        self._runs: dict[Path, Planned] = {}
        self._jobs = 0

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take note of the sweep, and end it here where Optuna is missing or too old."""
        from hydra.core.plugins import Plugins

        from difftv.lab.runs.search.study import check_installed

        try:
            check_installed()
        except DiffTVError as error:
            sys.exit(f"error: {error}")
        self.context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Carry the search out, or on; exit code 1 unless every trial is finished or pruned."""
        assert self.config is not None
        folder = Path.cwd() / str(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        with _as_exit(), _alone(folder):
            study, fixed = self._open(folder, arguments)
            OmegaConf.save(self.config, folder / MARK)
            try:
                self._search(study, fixed)
            finally:
                done = self._sum_up(study)
        if not done:
            sys.exit(1)

    def _open(self, folder: Path, arguments: Sequence[str]) -> "tuple[SearchStudy, list[str]]":
        from difftv.lab.runs.search.study import SearchStudy

        assert self.context is not None
        assert self.config is not None
        if self.config.get("rerun") == "all":
            raise ConfigError(
                "rerun=all is for sweeps: a search computes no run again. Give another folder (sweep=NAME)."
            )
        parser = OverridesParser.create(config_loader=self.context.config_loader)
        given = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        fixed, space = split(parser.parse_overrides(given))
        looked_at = [run for run, _ in self._look_ahead([[*fixed, *probe] for probe in probes(space)])]
        settings = settings_of(looked_at, self.options)
        return SearchStudy(folder / JOURNAL, self.options, space, settings), fixed

    def _search(self, study: "SearchStudy", fixed: list[str]) -> None:
        self._begin_again(study, fixed)
        begun: set[int] = set()
        while True:
            # Those of an earlier command first, and with them what is missing of the ones that started together.
            batch = [
                self._begun(study, trial.number, [*fixed, *words(study.space, trial.params)])
                for trial in study.unfinished()
                if trial.number not in begun
            ]
            missing = -study.chosen % self.options.n_jobs if batch else self.options.n_jobs
            batch += self._choose(study, fixed, min(missing, self.options.n_trials - study.chosen))
            if not batch:
                return
            begun |= {trial.number for trial in batch}
            self._carry_out(study, batch)

    def _choose(self, study: "SearchStudy", fixed: list[str], count: int) -> list[_Begun]:
        """New trials; they enter the study when their runs are known to be ones that can be carried out."""
        if count <= 0:
            return []
        proposed = study.propose(count)
        jobs = [[*fixed, *words(study.space, params)] for params in proposed]
        found = []
        for params, job, (_, run) in zip(proposed, jobs, list(self._look_ahead(jobs)), strict=True):
            number = study.add(params, run.directory.path.name)
            found.append(self._told(study, number, job, run))
        return found

    def _begin_again(self, study: "SearchStudy", fixed: list[str]) -> None:
        """Failed trials of an earlier command, as new ones of the same values."""
        assert self.config is not None
        for trial in study.failed() if self.config.get("rerun") != "none" else ():
            ((_, run),) = self._look_ahead([[*fixed, *words(study.space, trial.params)]])
            study.add(trial.params, run.directory.path.name, again=trial.number)

    def _begun(self, study: "SearchStudy", number: int, job: list[str]) -> _Begun:
        ((_, run),) = self._look_ahead([job])
        return self._told(study, number, job, run)

    def _told(self, study: "SearchStudy", number: int, job: list[str], run: Planned) -> _Begun:
        journal = QuotedString(str(study.path), Quote.single).with_quotes()
        return _Begun(number, [*job, f"hydra.sweeper.trial={{number:{number},journal:{journal}}}"], run)

    def _carry_out(self, study: "SearchStudy", batch: list[_Begun]) -> None:
        assert self.launcher is not None
        for trial in batch:
            self._runs.setdefault(trial.run.directory.path, trial.run)
            trial.run.directory.mark_queued()
        write_search(study.path.parent, study.to_container())
        # What an earlier command has pruned needs no worker, and no place in a queue.
        waiting = [trial for trial in batch if outcome(trial.run)[0] not in ("skipped", "pruned")]
        if waiting:
            self.launcher.launch([trial.job for trial in waiting], initial_job_idx=self._jobs)
            self._jobs += len(waiting)
        for trial in batch:
            self._end(study, trial)
        write_search(study.path.parent, study.to_container())

    def _end(self, study: "SearchStudy", trial: _Begun) -> None:
        """Tell the study what became of a trial; one that was cut off stays unfinished, for the next command."""
        found, reason = outcome(trial.run)
        path = trial.run.directory.path
        study.report(trial.number, read_epochs(path / METRICS))
        if found == "pruned":
            study.end(trial.number, "PRUNED")
        elif found in GOOD:
            values = [of_best_epoch(path, metric) for metric in self.options.metrics]
            missing = [metric for metric, value in zip(self.options.metrics, values, strict=True) if value != value]
            if missing:
                log.error("%s has no %s: its trial counts as failed", path, missing[0])
                study.end(trial.number, "FAIL")
            else:
                study.end(trial.number, "COMPLETE", values)
        elif found in ("failed", "left alone", "refused"):
            study.end(trial.number, "FAIL")
        log.info("trial %d: %s", trial.number, reason or found)

    def _sum_up(self, study: "SearchStudy") -> bool:
        outcomes = [(run.directory, *outcome(run)) for run in self._runs.values()]
        if outcomes:
            print_safely(summary(outcomes))
        search = study.to_container()
        states = [trial.state for trial in search.trials]
        counts = {state: states.count(state) for state in ("complete", "pruned", "failed", "running")}
        shown = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        print_safely(f"search: {len(states)} trials: {shown or 'none'}")
        if search.others:
            print_safely(f"front, {', '.join(search.metrics)}:")
            for trial in search.front:
                print_safely(f"  trial {trial.number}: {', '.join(f'{v:.4f}' for v in trial.values)}: {trial.run}")
        elif search.best is not None:
            print_safely(
                f"best: trial {search.best.number}, {search.metric} {search.best.value:.4f}: {search.best.run}"
            )
        return all(name in GOOD for _, name, _ in outcomes)

    def _look_ahead(self, jobs: Sequence[Sequence[str]]) -> Iterator[Any]:
        assert self.context is not None
        assert self.config is not None
        return look_ahead(self.context.config_loader, self.config, jobs, trials=True)


@contextlib.contextmanager
def _as_exit() -> Iterator[None]:
    """A mistake of the user ends the command with its message."""
    try:
        yield
    except OmegaConfBaseException as error:
        sys.exit(f"error: {without_wrapping(error) or error}")
    except (DiffTVError, OSError) as error:
        sys.exit(f"error: {error}")


def _alone(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Two commands that add trials to one study would each take the other's for interrupted."""
    return file_lock(
        folder / LOCK,
        refusal=lambda: (
            f"another process is searching in {folder}. Wait for it, or stop it; then run the command again."
        ),
        without="start no second search there",
    )
