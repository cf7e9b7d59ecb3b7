import pytest
from omegaconf import OmegaConf

from difftv.lab.rundir.layout import PLACES, WITHOUT_EFFECT, has_no_effect
from difftv.lab.runs.config import resolved
from difftv.lab.runs.identity import identity, readable_name
from difftv.lab.runs.options import RunOptions
from tests.conftest import composed, options_of


@pytest.mark.parametrize("name", options_of("experiment"))
@pytest.mark.parametrize("solver", ["scs", "taut_string"])
def test_every_experiment_resolves_with_any_solver(name: str, solver: str) -> None:
    config = resolved(composed(f"experiment={name}", f"solver={solver}", "++data.root=somewhere"))
    RunOptions.from_container(config)
    assert config["sweep"] == name


def test_what_cannot_change_the_result_is_not_in_the_identity() -> None:
    plain = resolved(composed())
    expected = identity(plain, "images")
    assert identity(plain, "other images") != expected
    for override in ("sweep=other", "rerun=all", "tracker=none", "trainer.device=cpu", "data.cache_dir=null",
                     "data.root=elsewhere", "data.download=true"):  # fmt: skip
        assert identity(resolved(composed(override)), "images") == expected, override
    for override in ("sigma=26", "solver=ecos", "seed=1", "trainer.epochs=51", "data.clip_noise=true"):
        assert identity(resolved(composed(override)), "images") != expected, override
    for key in (*WITHOUT_EFFECT, *PLACES):
        known = [
            OmegaConf.select(composed(*data), key, default="absent") for data in ((), ("data=folder", "data.root=x"))
        ]
        assert known != ["absent", "absent"], key


def test_a_key_below_one_without_effect_has_none_either() -> None:
    assert has_no_effect("tracker.mode")
    assert not has_no_effect("trackers")
    assert not has_no_effect("trainer")


def test_the_same_number_written_twice_is_the_same_run() -> None:
    assert identity(resolved(composed("sigma=25")), "") == identity(resolved(composed("sigma=25.0")), "")


def test_names_are_safe_for_file_systems_and_not_too_long() -> None:
    overrides = ["loss.name=/a b/c,d=ü", "solver=scs", "tracker.mode=offline", "data.root=x", f"sweep={'x' * 300}"]
    assert readable_name(overrides, "abc") == "solver=scs,loss.name=_a_b_c,d=-abc"
    assert len(readable_name([f"loss.name={'y' * 400}"], "abc")) < 130
    assert readable_name([], "abc") == "default-abc"
