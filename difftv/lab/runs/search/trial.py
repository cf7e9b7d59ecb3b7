"""A trial in the process that carries out its run: its epochs are reported to the study, and a hopeless one ends."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from difftv.lab.runs.outcomes import SEARCH
from difftv.lab.runs.search.options import SearchOptions

if TYPE_CHECKING:
    from difftv.lab.training.state import TrainingState

log = logging.getLogger(__name__)


class RunningTrial:
    """One trial.

    Args:
        journal: journal of the study, absolute.
        number: number of the trial.
        options: options of the search.
    """

    def __init__(self, journal: Path, number: int, options: SearchOptions) -> None:
        self.journal = journal
        self.number = number
        self.options = options
        self._storage: Any = None

    @classmethod
    def of(cls, hydra: Any) -> "RunningTrial | None":
        """The trial that Hydra's node tells of; None where the job is not one of a search."""
        if hydra.sweeper._target_ != SEARCH or hydra.sweeper.trial is None:
            return None
        trial = hydra.sweeper.trial
        return cls(Path(trial.journal), int(trial.number), SearchOptions.of(hydra.sweeper))

    def should_stop(self, state: "TrainingState") -> bool:
        """Report the epochs so far; whether the pruner gives the trial up. Without a study to ask, it goes on."""
        try:
            return self._is_hopeless(state)
        # The study decides what is worth computing; whatever is wrong with it, what is computed stays right.
        except Exception as error:
            log.warning("%s could not be told of epoch %d: %s", self.journal, state.epoch, error)
            return False

    def _is_hopeless(self, state: "TrainingState") -> bool:
        import optuna

        from difftv.lab.runs.search.study import NAME, open_journal, quiet, report

        if self._storage is None:
            self._storage = open_journal(self.journal)
        trial = report(self._storage, self.number, self.options.metrics[0], state.history)
        with quiet():
            study = optuna.load_study(study_name=NAME, storage=self._storage)
            return self.options.make_pruner().prune(study, self._storage.get_trial(trial))
