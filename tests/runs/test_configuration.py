import pytest
from omegaconf import OmegaConf

from difftv.runs.config import check, resolved
from difftv.runs.identity import EXCLUDED, identity, readable_name
from tests.conftest import composed, options_of


@pytest.mark.parametrize("name", options_of("experiment"))
@pytest.mark.parametrize("solver", ["scs", "taut_string"])
def test_every_experiment_resolves_with_any_solver(name: str, solver: str) -> None:
    config = resolved(composed(f"experiment={name}", f"solver={solver}"))
    check(config)
    assert config["sweep"] == name


def test_what_cannot_change_the_result_is_not_in_the_identity() -> None:
    plain = resolved(composed())
    expected = identity(plain)
    for overrides in (["sweep=other"], ["tracker=none"], ["trainer.device=cpu"], ["data.cache_dir=null"]):
        assert identity(resolved(composed(*overrides))) == expected, overrides
    for overrides in (["sigma=26"], ["solver.eps=1e-6"], ["seed=1"], ["trainer.epochs=51"], ["data.root=elsewhere"]):
        assert identity(resolved(composed(*overrides))) != expected, overrides
    for key in EXCLUDED:
        assert OmegaConf.select(composed(), key, default="absent") != "absent", key


def test_the_same_number_written_twice_is_the_same_run() -> None:
    assert identity(resolved(composed("sigma=25"))) == identity(resolved(composed("sigma=25.0")))


def test_names_are_safe_for_file_systems_and_not_too_long() -> None:
    name = readable_name(["data.root=/a b/c,d", "solver=scs", "tracker.mode=offline", f"sweep={'x' * 300}"], "abc")
    assert name == "data.root=_a_b_c,d,solver=scs-abc"
    assert len(readable_name([f"data.root={'y' * 400}"], "abc")) < 130
    assert readable_name([], "abc") == "default-abc"
