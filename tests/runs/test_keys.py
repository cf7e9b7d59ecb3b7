"""Every key of a configuration is read or refused, before anything is written."""

import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from difftv.errors import ConfigError, DataError
from difftv.lab.runs.config import refuse_unread
from difftv.lab.runs.plan import PlannedRun
from tests.conftest import CONF, PROJECT, composed, options_of
from tests.runs.commands import run_each

SAMPLE = "data=sample"

REFUSED = [
    (["++sigm=50"], "Unknown key sigm (=50). Did you mean sigma?"),
    (["++data.crop_per_image=9"], "Unknown key data.crop_per_image (=9). Did you mean data.crops_per_image?"),
    (["++crops_per_image=9"], "Did you mean data.crops_per_image?"),
    (["++evaluation.oracl=true"], "Did you mean evaluation.oracle?"),
    (["++trainer.epoch=3"], "Did you mean trainer.epochs?"),
    (["solver=scs", "++solver.epz=1e-3"], "Unknown key solver.epz (=0.001). Did you mean solver.eps?"),
    (["loss=mse_ssim", "++loss.alhpa=0.3"], "Did you mean loss.alpha?"),
    (["++loss.alpha=0.3"], "Unknown key loss.alpha"),
    (["++optimizer.weight_decy=1"], "Did you mean optimizer.weight_decay?"),
    (["++scheduler.patiense=1"], "Did you mean scheduler.patience?"),
    (["++tracker.mod=offline"], "Did you mean tracker.mode?"),
    (["++predictor.num_maps=2"], "predictor.num_maps is set by the run itself"),
    (["++data.root=somewhere"], "Unknown key data.root"),
    (["++data.source.foo=1"], "Unknown key data.source.foo"),
    (["++a.b.c=1"], "Unknown key a.b.c"),
    (["++a={}"], "Unknown key a "),
    (["~data.crops_per_image"], "data.crops_per_image is missing"),
    (["~solver"], "solver must be a group of keys"),
    (["solver._target_=difftv.solvers.Nothing"], "solver._target_=difftv.solvers.Nothing does not exist"),
    (["solver._target_=3"], "solver._target_ must name a class, got 3"),
    (["data=folder"], "data.root has no value yet. Give the directory of the training images, for example data.root="),
    (["data=folder", "data.root=null"], "data.root must not be null"),
    (["data=folder", "data.root="], "data.root is empty"),
    (["data=folder", "data.root=x", "data.test="], "data.test is empty"),
    (["data=folder", "data.root=x", "data.validation=' '"], "data.validation is empty"),
    (["data=div2k", "data.root="], "data.root is empty"),
    (["data.cache_dir="], "data.cache_dir is empty"),
    (["sweep="], "sweep is empty"),
    (["tracker.project="], "tracker.project is empty"),
    (["optimizer.lr=null"], "optimizer.lr must not be null"),
    (["optimizer.lr=abc"], "optimizer.lr must be a number, got 'abc'"),
    (["seed=12345678901234567890123"], "seed must be an integer from 0 to 2^64 - 1"),
    (
        ["regularizer=isotropic", "regularizer.channels=3"],
        "regularizer.channels is 3, but the images are gray (data.colour=false)",
    ),
    (["seed=null"], "seed must be an integer from 0 to 2^64 - 1, got None"),
    (["sigma=null"], "sigma must be a positive number in 8-bit units"),
    (["sweep=1e5"], "sweep must be the name of a folder, got 100000.0"),
    (["sweep=true"], "sweep must be the name of a folder, got True"),
    (["sweep=null"], "sweep must be the name of a folder, got None"),
    (["data.eval_patch_size='${nothing}'"], "data.eval_patch_size: Interpolation key 'nothing' not found"),
]


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize(("words", "message"), REFUSED, ids=[",".join(words) for words, _ in REFUSED])
def test_a_key_that_no_run_could_use_is_named(words: list[str], message: str) -> None:
    with pytest.raises((ConfigError, DataError)) as refused:
        PlannedRun.of(composed(SAMPLE, *words)).check()
    assert message in str(refused.value)


ACCEPTED = [
    ["solver=admm", "solver.max_iter=7"],
    ["regularizer.bounds=[0,1]"],
    ["regularizer=tgv", "regularizer.bounds=[0,null]"],
    ["++optimizer.betas=[0.5,0.9]"],
    ["++optimizer.fused=null"],
    ["solver=admm", "+iterations=50", "solver.max_iter='${iterations}'"],
    ["+parts.name=x", "+hydra.job.env_set.NAME='${parts.name}'"],
    ["tracker.entity=null"],
    ["sweep=20251125"],
    ["sweep=007"],
    ["sweep=on"],
    ["sweep=\"'1e5'\""],
]


@pytest.mark.parametrize("words", ACCEPTED, ids=",".join)
def test_a_key_that_somebody_reads_is_accepted(words: list[str]) -> None:
    assert PlannedRun.of(composed(SAMPLE, *words)).check().top.sigma == 25


@pytest.mark.parametrize("group", ["predictor", "regularizer", "loss", "optimizer", "scheduler", "tracker", "solver"])
def test_every_option_in_conf_fits_its_constructor(group: str) -> None:
    for option in options_of(group):
        PlannedRun.of(composed(SAMPLE, f"{group}={option}")).check_nodes()


@pytest.mark.parametrize(
    "head", ["", "\ufeff# @package _global_\n", "# a comment\n\n# @package_global_\n"], ids=["none", "mark", "misspelt"]
)
def test_an_experiment_that_would_not_reach_the_top_is_refused(head: str, tmp_path: Path) -> None:
    experiment = tmp_path / "experiment"
    experiment.mkdir()
    (experiment / "mine.yaml").write_text(head + "sigma: 34\n", encoding="utf-8")
    (experiment / "right.yaml").write_text("# @package _global_\nsigma: 34\n")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        place = f"hydra.searchpath=[file://{tmp_path}]"
        right = compose("config", [SAMPLE, place, "experiment=right"], return_hydra_config=True)
        assert PlannedRun.of(right).config["sigma"] == 34
        wrong = compose("config", [SAMPLE, place, "experiment=mine"], return_hydra_config=True)
    with pytest.raises(ConfigError, match=r"Unknown key experiment\.sigma: .*# @package _global_.*byte-order mark"):
        PlannedRun.of(wrong)


@pytest.mark.parametrize(("reference", "place"), [("${.side}", "data"), ("${..side}", ""), ("${data[side]}", "data")])
def test_a_reference_counts_as_reading_wherever_it_is_written_from(reference: str, place: str) -> None:
    known = OmegaConf.create({"data": {"cache_dir": reference}})
    if place:
        known.data.side = 8
    else:
        known.side = 8
    plain = OmegaConf.to_container(known, resolve=True)
    assert isinstance(plain, dict)
    refuse_unread(plain, known)
    known.data.cache_dir = 8
    with pytest.raises(ConfigError, match="Unknown key"):
        refuse_unread(plain, known)


def test_nothing_is_written_where_a_key_is_refused(tmp_path: Path) -> None:
    single, sweep = tmp_path / "single", tmp_path / "sweep"
    commands = [
        ("", [SAMPLE, "++sigm=50", f"hydra.run.dir={single}"]),
        ("", [SAMPLE, "++solver.epz=1", f"hydra.run.dir={single}"]),
        ("", [SAMPLE, "sigma=-1", f"hydra.run.dir={single}"]),
        ("", ["-m", SAMPLE, "++sigm=50,60", f"hydra.sweep.dir={sweep}"]),
        ("", ["-m", SAMPLE, "solver=scs,taut_string", "++solver.eps=1e-4", f"hydra.sweep.dir={sweep}"]),
        ("", [SAMPLE, "hydra.run.dir="]),
        ("", ["-m", SAMPLE, "hydra.sweep.dir="]),
    ]
    before = set(PROJECT.iterdir())
    answers = run_each(commands)
    assert [code for code, _ in answers] == [1] * len(commands), answers
    for (_, shown), message in zip(
        answers,
        (
            "error: Unknown key sigm (=50). Did you mean sigma?",
            "error: Unknown key solver.epz",
            "error: sigma must be a positive number",
            "error: Unknown key sigm (=50). Did you mean sigma?",
            "error: Unknown key solver.eps (=0.0001). Did you mean solver.tol?",
            "error: hydra.run.dir is empty",
            "error: hydra.sweep.dir is empty",
        ),
        strict=True,
    ):
        assert message in shown
        assert "Traceback" not in shown
    assert list(tmp_path.iterdir()) == []
    assert set(PROJECT.iterdir()) - before <= {PROJECT / "outputs"}


@pytest.mark.parametrize("words", [["solver=scs_fast"], ["-m", "sigma=15", "solver=ecos,scs_fast"]])
def test_an_option_of_earlier_versions_is_told_what_to_write_instead(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "experiments/run.py", *words], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "error: solver=scs_fast is no option any more. Write solver=scs solver.eps=5e-3 solver.max_iter=500\n"
    )
