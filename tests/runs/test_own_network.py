"""The network of docs/quickstart.md from a yaml file: trained, resumed, tabulated, loaded and started from."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import torch

from difftv import Denoiser
from difftv.errors import ConfigError
from difftv.lab.cli.table import main as table
from difftv.lab.models.reading import read_model
from difftv.lab.rundir.checkpoint import read_checkpoint
from tests.conftest import PROJECT
from tests.models.made import config, make_run
from tests.runs.commands import SMALL, killed, run
from tests.runs.faults import killed_at

SECTION = (PROJECT / "docs" / "quickstart.md").read_text().split("## Your own network")[1]
(PYTHON,) = re.findall(r"```python\n(.*?)```", SECTION, flags=re.DOTALL)
(YAML,) = re.findall(r"```yaml\n(.*?)```", SECTION, flags=re.DOTALL)
WORDS = [*SMALL, "predictor=mine", "regularizer=tvpwl", "solver=taut_string", "evaluation.oracle=false"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with mine.py and conf/predictor/mine.yaml."""
    directory = tmp_path_factory.mktemp("own")
    (directory / "mine.py").write_text(PYTHON)
    (directory / "conf" / "predictor").mkdir(parents=True)
    (directory / "conf" / "predictor" / "mine.yaml").write_text(YAML)
    return directory


def command(place: Path, *words: str, prelude: str = ""):
    found = f"import sys\nsys.path.insert(0, {str(place)!r})\n"
    return run("--config-dir", str(place / "conf"), *WORDS, *words, prelude=found + prelude)


@pytest.fixture(scope="module")
def trained(place: Path) -> Path:
    done = command(place, f"hydra.run.dir={place / 'sweep' / 'run'}")
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "sweep" / "run"


@pytest.fixture
def network(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(place))
    with torch.random.fork_rng():
        mine = importlib.import_module("mine")  # written by the fixture
    return mine.MyNetwork


def test_a_run_of_it_resumes_with_the_same_bits(place: Path, trained: Path, tmp_path: Path) -> None:
    words = [f"hydra.run.dir={tmp_path}"]
    assert killed(command(place, *words, prelude=killed_at("difftv.step", 5)))
    done = command(place, *words)
    assert "continuing after epoch 1, step 1" in done.stdout
    weights, expected = (read_checkpoint(each / "checkpoint.pt")["predictor"] for each in (tmp_path, trained))
    assert [*weights] == [f"layers.{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias")]
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_a_run_of_it_stands_in_tables(trained: Path) -> None:
    assert table([str(trained.parent), "--rows", "predictor", "predictor.width"]) == 0
    assert re.search(r"\| mine +\| 8 ", (trained.parent / "table.md").read_text())


def test_a_typing_error_is_named_before_any_work(place: Path, tmp_path: Path) -> None:
    done = command(place, "+predictor.widht=4", f"hydra.run.dir={tmp_path}")
    assert done.returncode != 0
    assert "Did you mean predictor.width?" in done.stdout + done.stderr


def test_it_is_loaded_by_a_program_that_gives_the_class(trained: Path, network) -> None:
    with pytest.raises(ConfigError, match=r"names 'mine.MyNetwork' as its predictor.*network=MyNetwork"):
        Denoiser.load(trained)
    denoiser = Denoiser.load(trained, network=network)
    assert isinstance(denoiser.predictor.network, network)
    kept = read_model(trained).weights
    assert all(torch.equal(value, kept[name]) for name, value in denoiser.predictor.state_dict().items())
    assert denoiser(torch.rand(1, 1, 20, 20)).converged.all()


class MyNetwork(torch.nn.Module):
    """Another class of that name."""


class Other(torch.nn.Module):
    """A class of another name."""


def test_a_file_does_not_choose_what_is_constructed(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"names 'mine.MyNetwork' as its predictor, and Other was given"):
        Denoiser.load(trained, network=Other)
    with pytest.raises(ConfigError, match=r"unexpected keyword argument|positional argument"):
        Denoiser.load(trained, network=MyNetwork)
    (tmp_path / "stranger.py").write_text("raise SystemExit('imported')")
    foreign = make_run(tmp_path / "run", config())
    state = torch.load(foreign / "checkpoint.pt", weights_only=True)
    state["config"]["predictor"] = {"_target_": "stranger.MyNetwork"}
    torch.save(state, foreign / "checkpoint.pt")
    sys.path.insert(0, str(tmp_path))
    try:
        for given in (None, Other):
            with pytest.raises(ConfigError, match=r"names 'stranger.MyNetwork'"):
                Denoiser.load(foreign, network=given)
    finally:
        sys.path.remove(str(tmp_path))
    assert "stranger" not in sys.modules


def test_a_built_in_network_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"names 'cnn' as its predictor, and Other was given"):
        Denoiser.load(make_run(tmp_path / "run", config()), network=Other)


def test_training_starts_from_a_run_of_the_same_network(place: Path, trained: Path, tmp_path: Path) -> None:
    words = [f"trainer.start={trained}", "optimizer.lr=1e-12", "seed=1"]
    done = command(place, *words, f"hydra.run.dir={tmp_path / 'more'}")
    assert done.returncode == 0, done.stdout + done.stderr
    before, after = read_model(trained).weights, read_model(tmp_path / "more").weights
    for name, weight in before.items():
        torch.testing.assert_close(after[name], weight, rtol=0, atol=1e-8)
    done = command(place, *words, "predictor.width=4", f"hydra.run.dir={tmp_path / 'wider'}")
    assert done.returncode != 0
    assert "weights are not in the layers" in done.stdout + done.stderr
