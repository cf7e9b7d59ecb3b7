"""A run built again from its checkpoint: the same network, the exact solver, and no code from the file."""

import copy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from difftv.denoiser import Denoiser
from difftv.errors import CheckpointError, ConfigError
from difftv.lab.models.run import read_run
from difftv.lab.rundir.checkpoint import CheckpointStore
from difftv.lab.runs.build import build
from difftv.lab.runs.plan import PlannedRun
from difftv.models.parts import CLASSES, described
from difftv.predictors import Cnn, Constant, Predictor
from difftv.regularizers import AnisotropicTV, IsotropicTV, Regularizer
from difftv.solvers import Scs
from difftv.solvers.exact.solver import TautString
from tests.conftest import composed, options_of

CONFIG: dict[str, Any] = {
    "predictor": {"_target_": "difftv.predictors.Constant", "initial_lam": 0.05},
    "regularizer": {"_target_": "difftv.regularizers.AnisotropicTV", "num_maps": 1},
    "solver": {"_target_": "difftv.solvers.Scs", "eps": 1e-4, "max_iter": 500},
    "sigma": 25,
}
CANARY = "difftv_test_canary"


def store(directory: Path, config: dict[str, Any], weights: object) -> Path:
    CheckpointStore(directory, "0", config).save({"training": {"best_weights": weights, "best_epoch": 3}})
    return directory


def changed(group: str, **values: Any) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    config[group] |= values
    return config


def draw(height: int = 9, width: int = 7) -> torch.Tensor:
    return torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("group", CLASSES)
def test_every_option_has_its_class_by_name(group: str) -> None:
    named = {
        described({group: OmegaConf.to_container(composed(f"{group}={option}")[group])})[group].get("name")
        for option in options_of(group)
    }
    assert named == set(CLASSES[group])


def test_a_class_of_another_package_is_left_as_it_is() -> None:
    config = {"predictor": {"_target_": "elsewhere.Net", "width": 3}, "loss": {"_target_": "difftv.lab.losses.Mse"}}
    assert described(config) == config


@pytest.mark.parametrize("written", ["by name", "by import path"])
@pytest.mark.parametrize("maps", [1, 2])
@pytest.mark.parametrize("name", options_of("predictor"))
def test_every_predictor_comes_back_with_the_same_map(name: str, maps: int, written: str, tmp_path: Path) -> None:
    number, words = maps, ["data=sample"]
    if name == "slices":
        number, words = (1, 3)[maps - 1], ["data=phantoms", f"data.root={tmp_path}", "patch_size=8"]
    planned = PlannedRun.of(composed(f"predictor={name}", f"regularizer.num_maps={number}", *words, "tracker=none"))
    config = planned.config
    predictor = build(planned).setup.denoiser.predictor.cpu()
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    before = torch.get_rng_state()
    stored = described(config) if written == "by name" else config
    loaded = Denoiser.load(store(tmp_path, stored, predictor.state_dict()))
    assert torch.equal(before, torch.get_rng_state())
    noisy = draw() if predictor.axes == 2 else draw()[:, :, None].expand(-1, -1, 3, -1, -1)
    assert torch.equal(loaded.predictor(noisy), predictor(noisy))
    assert isinstance(loaded.solver, TautString)
    assert not loaded.training
    assert not loaded.predictor.training


@pytest.mark.parametrize("name", [name for name in options_of("solver") if name != "auto"])
def test_every_solver_comes_back_with_its_settings(name: str, tmp_path: Path) -> None:
    overrides = [f"solver={name}", "solver.max_iter=77", "data=sample"]
    config = OmegaConf.to_container(composed(*overrides).solver)
    run = read_run(store(tmp_path, {**CONFIG, "solver": config}, Constant().state_dict()))
    solver = run.own_solver()
    assert f"{type(solver).__module__}.".startswith("difftv.solvers.")
    assert solver.max_iter == 77


def test_what_the_run_says_of_itself(tmp_path: Path) -> None:
    run = read_run(store(tmp_path, CONFIG, Constant().state_dict()))
    assert (run.sigma, run.best_epoch, run.finished) == (25.0, 3, False)
    (tmp_path / "result.json").write_text("{}")
    assert read_run(str(tmp_path)).finished
    assert isinstance(run.own_solver(), Scs)


def test_a_solver_can_be_given(tmp_path: Path) -> None:
    store(tmp_path, CONFIG, Constant().state_dict())
    solver = Scs(AnisotropicTV(), eps=1e-6)
    assert Denoiser.load(tmp_path, solver).solver is solver


@pytest.mark.parametrize("regularizer", [IsotropicTV(), AnisotropicTV(2)], ids=lambda it: f"{it.name}, {it.num_maps}")
def test_a_solver_of_another_regularizer_is_refused(regularizer: Regularizer, tmp_path: Path) -> None:
    store(tmp_path, CONFIG, Constant().state_dict())
    with pytest.raises(ConfigError, match=r"was trained with AnisotropicTV\(num_maps=1\)"):
        Denoiser.load(tmp_path, Scs(regularizer))


def test_bounds_are_kept_and_a_solver_with_others_is_refused(tmp_path: Path) -> None:
    store(tmp_path, CONFIG, Constant().state_dict())
    with pytest.raises(ConfigError, match="the solver minimises another regularizer"):
        Denoiser.load(tmp_path, TautString(AnisotropicTV(bounds=(0, 1))))
    bounded = {**CONFIG, "regularizer": {**CONFIG["regularizer"], "bounds": [0, None]}}  # type: ignore[dict-item]
    store(tmp_path, bounded, Constant().state_dict())
    assert Denoiser.load(tmp_path).solver.regularizer.bounds == (0.0, None)
    with pytest.raises(ConfigError, match=r"AnisotropicTV\(num_maps=1, bounds=\(0.0, None\)\)"):
        Denoiser.load(tmp_path, TautString(AnisotropicTV()))


def test_a_solver_by_name_is_refused(tmp_path: Path, jaxtyping_off: None) -> None:
    store(tmp_path, CONFIG, Constant().state_dict())
    with pytest.raises(TypeError, match=r"solver must be a Solver .* got 'scs'"):
        Denoiser.load(tmp_path, "scs")  # type: ignore[arg-type]


def test_an_isotropic_run_is_solved_by_the_batched_solver(tmp_path: Path) -> None:
    config = {**CONFIG, "regularizer": {"_target_": "difftv.regularizers.IsotropicTV"}}
    run = store(tmp_path, config, Constant().state_dict())
    assert Denoiser.load(run).solver.name == "admm"
    assert Denoiser.load(run, Scs(IsotropicTV())).solver.regularizer.name == "isotropic"


@pytest.mark.parametrize("group", ["predictor", "regularizer", "solver"])
@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        f"{CANARY}.Cnn",
        "difftv.predictors.base.torch.hub.load",
        "difftv.predictors.base.torch.nn.Identity",
        "difftv.solvers.base.time.sleep",
        "difftv.solvers.base.nn.Module",
        "difftv.regularizers.base.Regularizer",
        "difftv.predictors.Predictor",
        "difftv.solvers.Solver",
        "difftv.predictors.cnn.positive",
        "difftv.predictors.cnn.__builtins__",
        "difftv.predictors",
        "difftv.predictors.",
        "difftv.predictors..Cnn",
        "difftv.predictors.\0.Cnn",
        "difftv.predictorsx.Cnn",
        "difftv.denoiser.Denoiser",
        "difftv.files.write_atomically",
        "",
        None,
        ["difftv.predictors.Cnn"],
    ],
    ids=repr,
)
def test_nothing_but_our_own_classes_is_ever_constructed(
    group: str, target: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{CANARY}.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("os.system", lambda *_: pytest.fail("os.system ran"))
    run = read_run(store(tmp_path, changed(group, _target_=target), Constant().state_dict()))
    with pytest.raises(ConfigError, match="not to be trusted"):
        {"predictor": run.predictor, "regularizer": run.regularizer, "solver": run.own_solver}[group]()
    assert CANARY not in sys.modules


@pytest.mark.parametrize("name", ["", "Cnn", "difftv.predictors.Cnn", "base", "__class__", None, ["cnn"], 3], ids=repr)
@pytest.mark.parametrize("group", CLASSES)
def test_nothing_but_a_name_on_the_list_is_constructed(group: str, name: Any, tmp_path: Path) -> None:
    written = {"_target_": "difftv.noise.GaussianNoise"} | CONFIG.get(group, {})
    config = {**CONFIG, group: {"name": name, "_target_": written["_target_"]}}
    run = read_run(store(tmp_path, config, Constant().state_dict()))
    if group == "noise":
        assert run.noise is None
        return
    with pytest.raises(ConfigError, match="not to be trusted"):
        {"predictor": run.predictor, "regularizer": run.regularizer, "solver": run.own_solver}[group]()


def test_a_class_of_another_group_is_refused(tmp_path: Path) -> None:
    run = read_run(store(tmp_path, changed("predictor", _target_="difftv.solvers.Scs"), Constant().state_dict()))
    with pytest.raises(ConfigError, match=r"Only classes of difftv\.predictors"):
        run.predictor()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"initial_lam": {"_target_": "os.getcwd"}}, "plain values only"),
        ({"_args_": ["rm"]}, "plain values only"),
        ({"_partial_": True}, "_partial_"),
        ({"width": 3}, "width"),
        ({"initial_lam": -1.0}, r"predictor: initial_lam must be a positive finite number, got -1"),
    ],
)
def test_arguments_that_do_not_fit_are_named(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        Denoiser.load(store(tmp_path, changed("predictor", **values), Constant().state_dict()))


def test_a_large_network_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    config = changed("predictor", _target_="difftv.predictors.DnCnn", width=10**4, depth=2)
    with pytest.raises(CheckpointError, match="do not fit its DnCnn"):
        Denoiser.load(store(tmp_path, config, Cnn().state_dict()))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("dncnn", {"width": 10**6}, "width is 1e.06; up to 10000 is read"),
        ("dncnn", {"depth": 10**9}, "depth is 1e.09; up to 10000 is read"),
        ("unet", {"levels": 10**9}, "levels is 1e.09; up to 10000 is read"),
        ("unet", {"levels": 5000}, "predictor: "),
    ],
)
def test_a_huge_network_is_refused_before_it_is_described(
    name: str, arguments: dict[str, int], message: str, tmp_path: Path
) -> None:
    config = {**CONFIG, "predictor": {"name": name, **arguments}}
    with pytest.raises(ConfigError, match=message):
        Denoiser.load(store(tmp_path, config, Cnn().state_dict()))


@pytest.mark.parametrize("weights", [{"raw": 1.0}, {"raw": torch.zeros(1, dtype=torch.int64)}])
@pytest.mark.usefixtures("jaxtyping_off")
def test_weights_that_are_no_weights_are_refused(weights: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not floating-point tensors"):
        Denoiser.load(store(tmp_path, CONFIG, weights))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save(
        {"format": 1, "identity": "0", "config": CONFIG, "state": Trap(tmp_path / "ran")}, tmp_path / "checkpoint.pt"
    )
    with pytest.raises(CheckpointError, match="cannot be read"):
        Denoiser.load(tmp_path)
    assert not (tmp_path / "ran").exists()


class Trap:
    """Creates a file when it is unpickled without a check."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_directory_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no checkpoint\.pt: it is not the directory of a run\.$"):
        Denoiser.load(tmp_path / "nowhere")
    store(tmp_path / "the-run", CONFIG, Constant().state_dict())
    with pytest.raises(CheckpointError, match=r"such as .*the-run"):
        Denoiser.load(tmp_path)


@pytest.mark.parametrize("weights", [None, 3])
def test_a_checkpoint_of_something_else_is_named(weights: object, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no trained predictor"):
        Denoiser.load(store(tmp_path, CONFIG, weights))


def test_a_run_without_an_epoch_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No epoch of"):
        Denoiser.load(store(tmp_path, CONFIG, {}))


def test_a_configuration_without_a_group_is_named(tmp_path: Path) -> None:
    config = {key: value for key, value in CONFIG.items() if key != "regularizer"}
    with pytest.raises(ConfigError, match="has no regularizer"):
        Denoiser.load(store(tmp_path, config, Constant().state_dict()))


def test_gradients_still_reach_a_loaded_network(tmp_path: Path) -> None:
    denoiser = Denoiser.load(store(tmp_path, CONFIG, Constant().state_dict()))
    denoiser(draw()).denoised.square().sum().backward()
    predictor: Predictor = denoiser.predictor
    assert all(parameter.grad is not None for parameter in predictor.parameters())
