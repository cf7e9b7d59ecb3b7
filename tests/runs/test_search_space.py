"""Hydra's words as the space of a search, and the values of a trial as words again."""

import math
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from difftv.errors import ConfigError
from difftv.lab.runs.search.options import SearchOptions
from difftv.lab.runs.search.space import Parameter, split, words
from difftv.lab.runs.search.study import SearchStudy, open_journal, quiet

optuna = pytest.importorskip("optuna", reason="the extra `optuna` is not installed")

OPTIONS = SearchOptions(20, 1, "validation/psnr", "maximize", 0, "tpe", 5, "median", 2)


def parameter(text: str) -> Parameter:
    _, (found,) = split(OverridesParser.create().parse_overrides([text]))
    return found


@pytest.mark.parametrize(
    ("text", "low", "high", "kind"),
    [
        ("a=interval(1e-4, 1e-2)", 1e-4, 1e-2, float),
        ("a=tag(log, interval(1e-4, 1e-2))", 1e-4, 1e-2, float),
        ("a=int(interval(8, 64))", 8, 64, int),
        ("a=range(3, 9)", 3, 8, int),
        ("a=range(3, 9, 2)", 3, 7, int),
        ("a=range(9, 3, -2)", 5, 9, int),
        ("a=tag(log, range(1, 9))", 1, 8, int),
        ("a=range(0.1, 0.5, 0.1)", 0.1, 0.4, float),
    ],
)
def test_every_value_that_is_drawn_is_one_of_the_words(text: str, low: float, high: float, kind: type) -> None:
    found = parameter(text)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [found.settled(study.ask({"a": found.distribution}).params["a"]) for _ in range(200)]
    assert all(type(value) is kind for value in drawn)
    assert all(low <= value <= high for value in drawn)
    if "range" in text:
        override = OverridesParser.create().parse_override(text.replace("tag(log, ", "").replace("))", ")"))
        assert set(drawn) == set(override.sweep_iterator())
    elif kind is float:
        assert all(float(f"{value:.4g}") == value for value in drawn)
    assert ("log" in text) == found.distribution.log
    if found.distribution.log and kind is float:
        assert 0.35 < sum(value < math.sqrt(low * high) for value in drawn) / len(drawn) < 0.65
    for value in drawn[:5]:
        (word,) = words([found], {"a": value})
        assert OverridesParser.create().parse_override(word).value() == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("solver=scs,ecos", ["solver=scs", "solver=ecos"]),
        ("loss=choice(mse, psnr)", ["loss=mse", "loss=psnr"]),
        ("sigma=25,[5,55],null", ["sigma=25", "sigma=[5,55]", "sigma=null"]),
        ("+a=choice('b c', true, 2.5, 2.5)", [r"+a=b\ c", "+a=True", "+a=2.5"]),
    ],
)
def test_options_are_given_back_as_they_were_written(text: str, expected: list[str]) -> None:
    found = parameter(text)
    assert [words([found], {found.key: choice}) for choice in found.distribution.choices] == [[w] for w in expected]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a=interval(1, 1)", "from a lower to a higher number"),
        ("a=interval(0, inf)", "from a lower to a higher number"),
        ("a=tag(log, interval(0, 1))", "a logarithmic scale begins above 0"),
        ("a=tag(log, range(0, 5))", "a logarithmic scale begins above 0"),
        ("a=tag(log, range(1, 9, 2))", "steps of 1"),
        ("a=range(3, 3)", "is empty"),
        ("a=tag(log, choice(1, 2))", "is for interval and range"),
        ("a=tag(lin, interval(0, 1))", "the tag lin means nothing here"),
        ("sweep=a,b", "it does not change what a run finds"),
        ("a=1", "There is nothing to search"),
    ],
)
def test_what_cannot_be_searched_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason.replace("(", r"\(")):
        parameter(text)


def test_values_of_another_space_are_refused() -> None:
    found = parameter("a=range(3, 9)")
    for params in ({"a": 9}, {"a": "3 --evil"}, {"b": 3}, {}, {"a": 3, "b": 3}):
        with pytest.raises(ConfigError, match="not of its space"):
            words([found], params)


def test_the_draw_of_a_trial_depends_on_the_seed_and_its_number_alone() -> None:
    def draw(seed: int, index: int) -> float:
        options = SearchOptions(20, 1, "validation/psnr", "maximize", seed, "tpe", 5, "median", 2)
        with quiet():
            study = optuna.create_study(sampler=options.make_sampler(index))
        return study.ask({"a": optuna.distributions.FloatDistribution(0, 1)}).params["a"]

    assert draw(0, 3) == draw(0, 3)
    assert len({draw(0, 3), draw(0, 4), draw(1, 3)}) == 3


def test_the_median_pruner_spares_the_first_trials_and_the_first_epochs() -> None:
    study = optuna.create_study(direction="maximize", pruner=OPTIONS.make_pruner())

    def trial(*values: float) -> list[bool]:
        running, asked = study.ask(), []
        for epoch, value in enumerate(values, start=1):
            running.report(value, epoch)
            asked.append(running.should_prune())
        study.tell(running, values[-1])
        return asked

    for _ in range(OPTIONS.startup_trials):
        assert trial(1.0, 1.0, 1.0) == [False] * 3
    assert trial(0.0, 0.0, 0.0) == [False, False, True]
    assert trial(0.0, 0.0, 2.0) == [False, False, False]


def test_a_small_space_is_gone_through_without_repetition(tmp_path: Path) -> None:
    _, space = split(OverridesParser.create().parse_overrides(["a=range(0, 3)", "b=x,y"]))
    study = SearchStudy(tmp_path / "search.journal", OPTIONS, space, {})
    for _ in range(6):
        (params,) = study.propose(1)
        study.end(study.add(params, "run"), "COMPLETE", [float(params["a"])])
    assert len({tuple(trial.params.items()) for trial in study.trials}) == 6
    assert [len(study.propose(2)), len(study.trials)] == [2, 6]


def test_a_foreign_line_of_a_journal_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "search.journal"
    path.write_text("<<<<<<< HEAD\n")
    with pytest.raises(ConfigError, match=r"search\.journal: line 1 is no entry of a journal"):
        open_journal(path)
