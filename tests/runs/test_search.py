"""A search with the real Optuna and real runs: killed and continued, ended early, refused, and on several processes."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from difftv.lab.report import read_sweep
from difftv.lab.report.markdown import absent_list
from difftv.lab.report.page import to_html
from difftv.lab.report.status import read_statuses, to_text
from difftv.lab.rundir.reading import read_epochs
from difftv.lab.rundir.search import read_search
from tests.runs.commands import SMALL, run_each
from tests.runs.faults import fails_at, killed_at
from tests.runs.outcomes import outcome

pytestmark = pytest.mark.slow

optuna = pytest.importorskip("optuna", reason="the extra `optuna` is not installed")

FIXED = [
    *(word for word in SMALL if not word.startswith("optimizer.lr")),
    "solver=taut_string",
    "predictor=dncnn",
    "predictor.width=8",
    "trainer.epochs=3",
    "evaluation.oracle=false",
    "evaluation.test_images=1",
]

SPACE = ["optimizer.lr=tag(log, interval(1e-6, 1e-1))", "predictor.depth=range(2, 5)", "loss=mse,psnr"]

SEARCH = [
    "-m",
    "hydra/sweeper=optuna",
    "hydra.sweeper.n_trials=5",
    "hydra.sweeper.startup_trials=2",
    "hydra.sweeper.warmup_epochs=1",
    *FIXED,
]

CREATE_TRIAL = 4
"""As Optuna writes it into a journal."""


def at_place(folder: Path) -> str:
    return f"hydra.sweep.dir={folder}"


def study_of(folder: Path) -> Any:
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "search.journal"))
    return optuna.load_study(study_name="difftv", storage=optuna.storages.JournalStorage(backend))


def facts(folder: Path) -> list[tuple]:
    """Everything that a search found, times aside."""
    return [
        (trial.number, trial.state.name, trial.params, trial.values, trial.intermediate_values, trial.user_attrs)
        for trial in study_of(folder).trials
    ]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()}


def states(folder: Path) -> list[str]:
    return [trial.state.name for trial in study_of(folder).trials]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A search in which trials were ended early, and what was shown."""
    folder = tmp_path_factory.mktemp("searched")
    ((code, shown),) = run_each([("", [*SEARCH, *SPACE, at_place(folder)])])
    assert code == 0, shown
    return folder, shown


def test_killed_and_continued_is_as_if_never_killed(searched: tuple[Path, str], tmp_path: Path) -> None:
    """In a training; after a line of the journal, another one being torn; and when a run was pruned, but not told of.

    So does a queue start a job of a pruned run again: the run is left as it is.
    """
    whole, _ = searched
    there = [*SEARCH, *SPACE, at_place(tmp_path)]
    tear = f"with open({str(tmp_path / 'search.journal')!r}, 'ab') as file: file.write(b'{{\"op_code\":6,\"wor')\n"
    unlocked = "'search.journal.lock' in str(arguments[0])"
    pruned = f"any('pruned' in open(file).read() for file in glob.glob({str(tmp_path)!r} + '/*/status.json'))"
    see = "import builtins, glob\nbuiltins.glob = glob\n"
    *kills, (code, shown), (again, nothing) = run_each(
        [
            (killed_at("difftv.validate", 5), there),
            (tear + killed_at("os.remove", 3, unlocked), there),
            (see + killed_at("os.listdir", 1, pruned), there),
            ("", there),
            ("", there),
        ]
    )
    assert ([killed for killed, _ in kills], code, again) == ([-9] * 3, 0, 0), (kills, shown)
    assert facts(tmp_path) == facts(whole)
    assert len(facts(whole)) == 5
    assert {"PRUNED", "COMPLETE"} == set(states(whole))
    assert names(tmp_path) == names(whole)
    assert "continuing after epoch" in "".join(text for _, text in (*kills, (code, shown)))
    finished = [path.parent for path in tmp_path.glob("*/result.json")]
    assert len(finished) == states(whole).count("COMPLETE")
    for run in finished:
        metrics, _, history, images = outcome(run)
        expected = outcome(whole / run.name)
        assert (metrics, history, images) == (expected[0], expected[2], expected[3])
    assert "Launching" not in nothing
    assert "search: 5 trials" in nothing


def test_a_hopeless_trial_ends_early_and_says_so(searched: tuple[Path, str]) -> None:
    folder, shown = searched
    pruned = [trial for trial in study_of(folder).trials if trial.state.name == "PRUNED"]
    complete = [trial for trial in study_of(folder).trials if trial.state.name == "COMPLETE"]
    assert f"{len(complete)} finished, {len(pruned)} pruned" in shown
    epoch = len(pruned[0].intermediate_values)
    assert 2 <= epoch < 3
    directory = folder / pruned[0].user_attrs["run"]
    status = json.loads((directory / "status.json").read_text())
    assert (status["state"], status["epoch"], status["error"]) == ("pruned", epoch, None)
    assert not (directory / "result.json").exists()
    line = f"pruned after epoch {epoch} of 3"
    assert line in to_text("sweep", read_statuses(folder))
    assert f"- pruned: {directory.name}: {line}" in absent_list(read_sweep(folder).absent).replace("\\", "")
    for trial in complete:
        result = json.loads((folder / trial.user_attrs["run"] / "result.json").read_text())
        rows = read_epochs(folder / trial.user_attrs["run"] / "metrics.jsonl")
        assert trial.value == result["metrics"]["validation/psnr"]
        assert trial.value == max(row["validation/psnr"] for row in rows)
        assert trial.intermediate_values == {row["epoch"]: row["validation/psnr"] for row in rows}


def test_the_report_shows_the_search(searched: tuple[Path, str]) -> None:
    folder, _ = searched
    search = read_search(folder)
    assert search is not None
    assert [(trial.number, trial.params) for trial in search.trials] == [
        (trial.number, trial.params) for trial in study_of(folder).trials
    ]
    assert search.best is not None
    assert search.best.value == study_of(folder).best_value
    assert "Search: " in to_html(read_sweep(folder), None)


def test_any_other_command_continues_a_pruned_run(searched: tuple[Path, str]) -> None:
    folder, _ = searched
    pruned = next(trial for trial in study_of(folder).trials if trial.state.name == "PRUNED")
    words = [f"{key}={value}" for key, value in pruned.params.items()]
    ((code, shown),) = run_each([("", ["-m", *FIXED, *words, at_place(folder)])])
    assert code == 0, shown
    assert f"continuing after epoch {len(pruned.intermediate_values)}" in shown
    assert "1 continued" in shown
    assert (folder / pruned.user_attrs["run"] / "result.json").exists()


def test_failed_trials_are_told_apart_and_tried_again(tmp_path: Path) -> None:
    there = [*SEARCH, "hydra.sweeper.n_trials=3", "optimizer.lr=interval(0.01, 0.02)", at_place(tmp_path)]
    first, none, again = run_each([(fails_at("difftv.train", 2), there), ("", [*there, "rerun=none"]), ("", there)])
    assert [code for code, _ in (first, none, again)] == [1, 0, 0], (first, none, again)
    assert "1 failed" in first[1]
    assert "ValueError: deliberately broken" in first[1]
    assert "Launching" not in none[1]
    found = study_of(tmp_path).trials
    assert [trial.state.name for trial in found] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert found[3].params == found[1].params
    assert found[3].user_attrs["again"] == 1


REFUSED = [
    ([*SPACE[:2], "loss=mse"], "holds a search of another space: loss is mse,psnr there, and not in this command"),
    (["optimizer.lr=interval(1e-6, 1e-1)", *SPACE[1:]], "optimizer.lr is interval(1e-06, 0.1), log there, interval"),
    ([*SPACE, "solver=ecos"], "with other settings: solver._target_ is 'difftv.solvers.TautString' there"),
    ([*SPACE, "sigma=15"], "with other settings: sigma is 25 there, 15 in this command"),
    ([*SPACE, "hydra.sweeper.direction=minimize"], "direction is maximize there, minimize in this command"),
    ([*SPACE, "sigma=15,25"], "sigma is 15 in one trial and 25 in another: their validation images differ"),
    ([*SPACE, "patch_size=8,16"], "data.eval_patch_size is 8 in one trial and 16 in another"),
    ([*SPACE, "hydra.sweeper.metric=psnr"], "must be a metric on the validation images"),
    ([*SPACE, "hydra.sweeper.metric=validation/psrn"], "must be a metric on the validation images"),
    ([*SPACE, "hydra.sweeper.sampler=cmaes"], "hydra.sweeper.sampler must be one of tpe, gp, random, got 'cmaes'"),
    ([*SPACE, "hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials must be"),
    ([*SPACE, "rerun=all"], "a search computes no run again"),
    ([*SPACE, "trainer.device=cpu,auto"], "trainer.device cannot be searched: it does not change what a run finds"),
    (["seed=1"], "There is nothing to search"),
    (["solver=taut_string,nosuch"], "Could not find 'solver/nosuch'"),
]

MISSING = "import sys; sys.modules['optuna'] = None"
OLD = """
import importlib.metadata as metadata
real = metadata.version
metadata.version = lambda name: "3.6.1" if name == "optuna" else real(name)
"""


def test_what_cannot_be_searched_is_refused_before_anything_is_written(searched: tuple[Path, str]) -> None:
    folder, _ = searched
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    answers = run_each([("", [*SEARCH, *words, at_place(folder)]) for words, _ in REFUSED])
    (missing, why), (old, outdated), (alone, no_sweep) = run_each(
        [
            *((prelude, [*SEARCH, *SPACE, at_place(folder)]) for prelude in (MISSING, OLD)),
            ("", ["hydra/sweeper=optuna", *FIXED]),
        ]
    )
    for (code, shown), (words, expected) in zip(answers, REFUSED, strict=True):
        assert code == 1, (words, shown)
        assert expected in shown, (words, shown)
    assert (missing, old, alone) == (1, 1, 1)
    assert "hydra/sweeper=optuna needs optuna, not installed here (extra 'optuna'). Run: pip install \"difftv" in why
    assert "needs optuna 4.0 or newer, 3.6.1 is installed" in outdated
    assert "hydra/sweeper=optuna chooses the runs of a sweep: add -m" in no_sweep
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_a_study_is_read_as_data(searched: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a journal is unpickled, and values that its space does not hold reach no command line."""

    def refused(*arguments: object, **more: object) -> None:
        raise AssertionError("unpickled")

    with monkeypatch.context() as patched:
        for name in ("loads", "load", "Unpickler"):
            patched.setattr(pickle, name, refused)
        assert len(states(searched[0])) == 5
    lines = [json.loads(line) for line in (searched[0] / "search.journal").read_text().splitlines()]
    begun = next(index for index, line in enumerate(lines) if line["op_code"] == CREATE_TRIAL)
    lines[begun]["params"]["optimizer.lr"] = 5.0
    outside, damaged, foreign = tmp_path / "outside", tmp_path / "damaged", tmp_path / "foreign"
    for folder, content in ((outside, lines[: begun + 1]), (damaged, [*lines[:begun], "no", "journal"])):
        folder.mkdir()
        (folder / "search.journal").write_text("".join(json.dumps(line) + "\n" for line in content))
    foreign.mkdir()
    (foreign / "search.journal").write_text(f"{json.dumps(lines[0])}\n<<<<<<< HEAD\n")
    answers = run_each([("", [*SEARCH, *SPACE, at_place(folder)]) for folder in (outside, damaged, foreign)])
    assert [code for code, _ in answers] == [1, 1, 1], answers
    assert "values that are not of its space" in answers[0][1]
    assert "search.journal is damaged or no journal of Optuna" in answers[1][1]
    assert f"{foreign / 'search.journal'}: line 2 is no entry of a journal (b'<<<<<<< HEAD')" in answers[2][1]
    assert "Traceback" not in answers[2][1]
    assert names(outside) | names(damaged) | names(foreign) == set()


def test_trials_on_several_processes(tmp_path: Path) -> None:
    pytest.importorskip("joblib", reason="the extra `local` is not installed")
    there = ["hydra/launcher=local", "hydra.launcher.jobs=2", "hydra.sweeper.n_jobs=2", "hydra.sweeper.n_trials=3"]
    there += ["+hydra.sweeper.params.loss='mse,psnr'"]  # as a file gives it
    (code, shown), (again, later) = run_each([("", [*SEARCH, *there, *SPACE[:2], at_place(tmp_path)])] * 2)
    assert (code, again) == (0, 0), shown
    assert len(states(tmp_path)) == 3
    assert set(states(tmp_path)) <= {"COMPLETE", "PRUNED"}
    assert "3 runs in" in shown
    assert all(trial.intermediate_values for trial in study_of(tmp_path).trials)
    assert {*study_of(tmp_path).trials[0].params} == {"optimizer.lr", "predictor.depth", "loss"}
    assert "runs in" not in later
