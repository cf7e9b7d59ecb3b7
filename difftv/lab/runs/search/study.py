"""The study of a search on disk, in Optuna's journal: JSON lines, read as data."""

import contextlib
import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from difftv.errors import ConfigError
from difftv.extras import require, require_version
from difftv.lab.rundir.search import Search, Trial
from difftv.lab.runs.search.options import RANDOM_FROM, SearchOptions
from difftv.lab.runs.search.space import Parameter, Value

if TYPE_CHECKING:
    from optuna.storages import JournalStorage
    from optuna.trial import FrozenTrial

NAME = "difftv"
"""Of the study in the journal."""

SPACE, SETTINGS = "space", "settings"
"""What the study remembers of the command: text by key. A command that says something else is refused."""

DRAWS = 2 * RANDOM_FROM
"""Of one trial at most, where its values were tried before."""

RUN, REPEATS = "run", "again"
"""What a trial remembers: the name of its run's directory; and of which failed trial it is a repetition."""


def check_installed() -> None:
    """Refuse to begin without an Optuna that has journals as they are now.

    Raises:
        MissingDependencyError: with the pip command.
    """
    by = "hydra/sweeper=optuna"
    require("optuna", "optuna", by=by)
    require_version("optuna", "optuna", (4, 0), by=by)


def open_journal(path: Path) -> "JournalStorage":
    """The storage; the file is made where there is none.

    Args:
        path: absolute, for Optuna's lock is a link to it.

    Raises:
        ConfigError: the file is damaged, or no journal.
        OSError: it cannot be read or written.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if path.exists():
        content = path.read_bytes()  # another process may be writing the last line
        _check_lines(path, content[: content.rfind(b"\n") + 1].splitlines())
    try:
        return optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    except OSError:
        raise
    # A journal that is no journal fails wherever its words are taken for something else.
    except Exception as error:
        raise ConfigError(
            f"{path} is damaged or no journal of Optuna ({type(error).__name__}: {error}). Move it away to begin the "
            "search anew; runs that have finished are not computed again."
        ) from error


def mend_journal(path: Path) -> None:
    """Remove a last line that a killed process left half written, before another one is appended to it."""
    from optuna.storages.journal import JournalFileSymlinkLock

    if not path.exists():
        return
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()
    try:
        with path.open("rb+") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                file.truncate(whole)
            _check_lines(path, content[:whole].splitlines())
    finally:
        lock.release()


def _check_lines(path: Path, lines: Sequence[bytes]) -> None:
    for number, line in enumerate(lines, start=1):
        try:
            json.loads(line)
        except ValueError as error:
            raise ConfigError(
                f"{path}: line {number} is no entry of a journal ({line[:40]!r}). Remove the line, or move the file "
                "away to begin the search anew; runs that have finished are not computed again."
            ) from error


class SearchStudy:
    """The trials of one search.

    Args:
        path: path of the journal, absolute.
        options: options of the search.
        space: parameters that are searched.
        settings: settings that all trials share and that a value of the objective depends on, text by key.

    Raises:
        ConfigError: the journal is damaged, or holds a search of another space or with other settings.
        MissingDependencyError: there is no Optuna, or too old a one.
    """

    def __init__(
        self, path: Path, options: SearchOptions, space: Sequence[Parameter], settings: Mapping[str, str]
    ) -> None:
        import optuna

        self.path = path
        self.options = options
        self.space = space
        mend_journal(path)
        self.storage = open_journal(path)
        known = [study.study_name for study in self.storage.get_all_studies()]
        if NAME in known:
            self.study = optuna.load_study(storage=self.storage, study_name=NAME)
        else:
            self.study = optuna.create_study(storage=self.storage, study_name=NAME, directions=options.directions)
        self._refuse_another({parameter.key: parameter.text for parameter in space}, settings)

    @property
    def trials(self) -> "list[FrozenTrial]":
        """As they stand on the disk."""
        return self.study.get_trials(deepcopy=False)

    @property
    def chosen(self) -> int:
        """Trials so far, repetitions of failed ones aside."""
        return sum(REPEATS not in trial.user_attrs for trial in self.trials)

    def unfinished(self) -> "list[FrozenTrial]":
        """Trials that have not come to their end."""
        return [trial for trial in self.trials if not trial.state.is_finished()]

    def failed(self) -> "list[FrozenTrial]":
        """Trials that have failed, and were not begun again."""
        again = {trial.user_attrs.get(REPEATS) for trial in self.trials}
        return [trial for trial in self.trials if trial.state.name == "FAIL" and trial.number not in again]

    def propose(self, count: int) -> list[dict[str, Value]]:
        """The values of the next trials; nothing is written.

        Values that were tried before are drawn again a few times: their run would tell nothing new.
        """
        import optuna

        distributions = {parameter.key: parameter.distribution for parameter in self.space}
        tried: list[Mapping[str, Value]] = [trial.params for trial in self.trials]
        found = []
        with quiet():
            draft = optuna.create_study(directions=self.options.directions)
            draft.add_trials(self.trials)
            for index in range(self.chosen, self.chosen + count):
                for attempt in range(DRAWS):
                    draft.sampler = self.options.make_sampler(index, attempt)
                    drawn = draft.ask(distributions).params
                    params = {parameter.key: parameter.settled(drawn[parameter.key]) for parameter in self.space}
                    if params not in tried:
                        break
                tried.append(params)
                found.append(params)
        return found

    def add(self, params: Mapping[str, Value], run: str, *, again: int | None = None) -> int:
        """Begin a trial, in one step; its number."""
        import optuna

        self.study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.RUNNING,
                params=dict(params),
                distributions={parameter.key: parameter.distribution for parameter in self.space},
                user_attrs={RUN: run, **({} if again is None else {REPEATS: again})},
            )
        )
        return len(self.trials) - 1

    def report(self, number: int, epochs: Sequence[Mapping[str, float]]) -> None:
        """Note what the epochs of a trial have reached, those that are not noted yet."""
        report(self.storage, number, self.options.metrics[0], epochs)

    def end(self, number: int, state: str, values: Sequence[float] | None = None) -> None:
        """End a trial: COMPLETE with the value of every objective, PRUNED or FAIL."""
        import optuna

        with quiet():
            self.study.tell(number, values, state=optuna.trial.TrialState[state])

    def to_container(self) -> Search:
        """What reports need."""
        logs = tuple(p.key for p in self.space if getattr(p.distribution, "log", False))
        first, *others = zip(self.options.metrics, self.options.directions, strict=True)
        return Search(*first, tuple(map(self._plain, self.trials)), logs, tuple(others))

    def _plain(self, trial: "FrozenTrial") -> Trial:
        reached = [value for value in trial.intermediate_values.values() if not math.isnan(value)]
        best = (max if self.options.directions[0] == "maximize" else min)(reached, default=math.nan)
        state = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}.get(trial.state.name, "running")
        values = tuple(trial.values or ()) if state == "complete" else ()
        value = values[0] if values else best
        run = str(trial.user_attrs.get(RUN, ""))
        return Trial(trial.number, state, value, trial.params, run, len(trial.intermediate_values), values)

    def _refuse_another(self, space: Mapping[str, str], settings: Mapping[str, str]) -> None:
        known = self.study.user_attrs
        for name, ours in ((SPACE, space), (SETTINGS, settings)):
            if name not in known and not self.trials:
                self.study.set_user_attr(name, dict(ours))
                continue
            theirs = known.get(name)
            different = _differences(theirs, ours) if isinstance(theirs, Mapping) else "it says nothing about its space"
            if different:
                what = "of another space" if name == SPACE else "with other settings"
                raise ConfigError(
                    f"{self.path} holds a search {what}: {different}. Give the same values to continue it, or "
                    "another folder (sweep=NAME) to begin another search."
                )


def report(storage: "JournalStorage", number: int, metric: str, epochs: Sequence[Mapping[str, float]]) -> int:
    """Note in the study what the epochs of a trial have reached; the trial's number in the storage comes back."""
    study = storage.get_study_id_from_name(NAME)
    trial = storage.get_trial_id_from_study_id_trial_number(study, number)
    known = storage.get_trial(trial).intermediate_values
    for row in epochs:
        epoch, value = int(row["epoch"]), row.get(metric, math.nan)
        if epoch not in known:
            storage.set_trial_intermediate_value(trial, epoch, value)
    return trial


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's warnings that an argument may change in a later version."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, str]) -> str:
    found = []
    for key in dict.fromkeys([*theirs, *ours]):
        if key not in ours:
            found.append(f"{key} is {theirs[key]} there, and not in this command")
        elif key not in theirs:
            found.append(f"{key} is {ours[key]} in this command, and not there")
        elif theirs[key] != ours[key]:
            found.append(f"{key} is {theirs[key]} there, {ours[key]} in this command")
    return "; ".join(found)
