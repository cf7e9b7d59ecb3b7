"""What chooses and what ends the trials of a search, from the words of the command line."""

import pytest
from omegaconf import OmegaConf

from difftv.errors import ConfigError
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
    ],
)
def test_what_is_none_of_them_is_refused(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        options(word)
