"""What chooses and what ends the trials of a search, from the words of the command line."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from difftv.errors import ConfigError
from difftv.lab.figures import search_front
from difftv.lab.rundir.search import Search, Trial, read_search, write_search
from difftv.lab.runs.search.options import PRUNERS, SAMPLERS, SearchOptions
from tests.conftest import composed, options_of

optuna = pytest.importorskip("optuna", reason="the extra `optuna` is not installed")


def options(*words: str) -> SearchOptions:
    return SearchOptions.of(OmegaConf.to_container(composed("hydra/sweeper=optuna", *words).hydra.sweeper))


def test_every_pruner_is_an_option_of_its_group() -> None:
    assert options_of("hydra/sweeper/pruner") == sorted(PRUNERS)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("hydra/sweeper/pruner=median", "MedianPruner"),
        ("hydra/sweeper/pruner=hyperband", "HyperbandPruner"),
        ("hydra/sweeper/pruner=successive_halving", "SuccessiveHalvingPruner"),
        ("hydra/sweeper/pruner=none", "NopPruner"),
        ("hydra.sweeper.pruner=successive_halving", "SuccessiveHalvingPruner"),  # as in earlier versions
        ("hydra.sweeper.seed=0", "MedianPruner"),
    ],
)
def test_the_word_chooses_the_pruner(word: str, kind: str) -> None:
    assert type(options(word).make_pruner()).__name__ == kind


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_draw_of_a_trial_depends_on_the_seed_and_its_number(sampler: str) -> None:
    chosen = options(f"hydra.sweeper.sampler={sampler}", "hydra.sweeper.startup_trials=2")
    distribution = {"x": optuna.distributions.FloatDistribution(0.0, 1.0)}
    drawn = []
    for _ in range(2):
        study = optuna.create_study()
        for value in (0.1, 0.5, 0.9):
            study.add_trial(
                optuna.trial.create_trial(params={"x": value}, distributions=distribution, value=(value - 0.3) ** 2)
            )
        study.sampler = chosen.make_sampler(3)
        drawn.append(study.ask(distribution).params["x"])
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("hydra.sweeper.pruner=hyperbnd", "must be one of median, hyperband"),
        ("hydra.sweeper.sampler=cmaes", "must be one of tpe, gp, random"),
        ("hydra.sweeper.reduction_factor=1", "reduction_factor must be at least 2"),
        ("hydra.sweeper.metric=[validation/psnr,validation/ssim]", "one word for each of 2 different objectives"),
        ("hydra.sweeper.metric=[validation/psnr,psnr]", "must be a metric on the validation images"),
    ],
)
def test_what_is_none_of_them_is_refused(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        options(word)


SEVERAL = [
    "hydra.sweeper.metric=[validation/psnr,validation/stair/plateau_excess]",
    "hydra.sweeper.direction=[maximize,minimize]",
]


def test_several_objectives_are_not_pruned() -> None:
    with pytest.raises(ConfigError, match="hydra/sweeper/pruner=none"):
        options(*SEVERAL)
    found = options(*SEVERAL, "hydra/sweeper/pruner=none")
    assert found.metrics == ("validation/psnr", "validation/stair/plateau_excess")
    assert found.directions == ("maximize", "minimize")


def trial(number: int, *values: float) -> Trial:
    return Trial(number, "complete", values[0], {"loss": "mse"}, f"run{number}", 1, values)


def test_the_front_is_what_nothing_beats(tmp_path: Path) -> None:
    trials = (trial(0, 28.0, 0.2), trial(1, 29.0, 0.3), trial(2, 28.5, 0.3), trial(3, 27.0, 0.1), trial(4, 28.0, 0.2))
    unfinished = Trial(5, "running", 30.0, {}, "run5")
    again = Trial(6, "complete", 29.0, {"loss": "mse"}, "run1", 1, (29.0, 0.3))
    search = Search("validation/psnr", "maximize", (*trials, unfinished, again), (), (("validation/ssim", "minimize"),))
    assert [each.number for each in search.front] == [1, 0, 4, 3]
    write_search(tmp_path, search)
    assert read_search(tmp_path) == search
    lines = search_front(search).axes[0].lines
    assert [list(line.get_xdata()) for line in lines] == [[28.5], [29.0, 28.0, 28.0, 27.0]]
    with pytest.raises(ValueError, match="two objectives"):
        search_front(Search("validation/psnr", "maximize", trials))
