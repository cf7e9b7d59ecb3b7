"""Training that starts from a stored model, and one whose network has died."""

import shutil
from pathlib import Path

import pytest
import torch

from difftv.lab.models.reading import read_model
from difftv.lab.runs.plan import PlannedRun
from tests.conftest import composed
from tests.models.made import config, make_run
from tests.runs.commands import SMALL, run

WORDS = [*SMALL, "solver=taut_string", "trainer.epochs=1", "evaluation.oracle=false"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("trained")
    done = run(*WORDS, "optimizer.lr=2e-2", f"hydra.run.dir={directory}")
    assert done.returncode == 0, done.stderr
    return directory


def test_the_weights_are_those_of_the_model_and_least_is_the_run_s_own(trained: Path, tmp_path: Path) -> None:
    words = [f"trainer.start={trained}", "optimizer.lr=1e-12", "seed=1", "predictor.least=0.01"]
    done = run(*WORDS, *words, f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    before, after = read_model(trained), read_model(tmp_path)
    for name, weight in before.weights.items():
        torch.testing.assert_close(after.weights[name], weight, rtol=0, atol=1e-8)
    noisy = torch.rand(1, 1, 9, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        difference = after.predictor()(noisy) - before.predictor()(noisy)
    torch.testing.assert_close(difference, torch.full_like(difference, 0.01), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trainer.start=nobody"], "trainer.start: 'nobody' is neither the name of a shipped model nor a file"),
        (["trainer.start=7"], "trainer.start must be the name of a shipped model, a model file"),
        (["trainer.start=gray"], "trainer.start: gray predicts lam_v, lam_h, gam_v, gam_h, the regularizer of the run"),
        (["trainer.start={}", "predictor=unet"], "cannot be continued: it is a Cnn, and a UNet is to be trained"),
        (["trainer.start={}", "predictor.initial_lam=0.1"], "its initial_lam (through softplus) is [-2."),
        (["trainer.start={}", "sigma=[5,55]"], "its sigma_input is False, and True here"),
        (
            ["trainer.start=gray", "predictor=dilated", "sigma=[5,55]", "regularizer=tvpwl", "regularizer.num_maps=4"],
            "its 444612 weights are not in the layers of the 56228 here. It was made with predictor=dilated: num_maps",
        ),
    ],
)
def test_a_model_that_does_not_fit_is_named_before_any_work(
    words: list[str], message: str, trained: Path, tmp_path: Path
) -> None:
    done = run(*WORDS, *(word.format(trained) for word in words), f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode != 0
    assert message in done.stdout + done.stderr


@pytest.mark.parametrize("key", ["trainer.start", "evaluation.model"])
def test_a_model_that_was_trained_again_makes_another_run(key: str, tmp_path: Path) -> None:
    model = make_run(tmp_path / "model", config())
    planned = [PlannedRun.of(composed("data=sample", word)).digest for word in ("seed=0", f"{key}={model}")]
    planned.append(PlannedRun.of(composed("data=sample", f"{key}={model}")).digest)
    shutil.rmtree(model)
    make_run(model, config() | {"predictor": {"name": "cnn", "initial_lam": 0.2}})
    planned.append(PlannedRun.of(composed("data=sample", f"{key}={model}")).digest)
    assert planned[1] == planned[2]
    assert len(set(planned)) == 3


DEAD = "import torch\ntorch.nn.init.kaiming_normal_ = lambda weight, **options: weight.data.zero_()"


def test_a_network_that_has_died_is_named(trained: Path, tmp_path: Path) -> None:
    message = "after epoch 1 every map is one number for all pixels"
    assert message not in (trained / "run.log").read_text()
    for predictor, named in (("dncnn", True), ("constant", False)):
        directory = tmp_path / predictor
        done = run(*WORDS, f"predictor={predictor}", f"hydra.run.dir={directory}", prelude=DEAD)
        assert done.returncode == 0, done.stderr
        assert (message in (directory / "run.log").read_text()) == named
