"""Our sweeper where Hydra looks for it; it takes sweepers from this package only, and names them by it."""

from difftv.lab.runs.search.sweeper import SearchSweeper


class Optuna(SearchSweeper):
    pass
