"""Runs and model files that cost no training."""

import json
from pathlib import Path
from typing import Any

import torch

from difftv.lab.rundir.checkpoint import CheckpointStore
from difftv.models.card import Card, Measured, Reference, TrainingFacts
from difftv.models.file import write_file
from difftv.models.parts import construct
from difftv.predictors import Predictor
from difftv.predictors.base import starting_at

OVERRIDES = ["data=folder", "data.root=/home/somebody/images/BSD400", "sigma=[5,55]", "tracker=none"]

Config = dict[str, Any]


def config(predictor: str = "cnn", regularizer: str = "anisotropic", sigma: Any = 25, **more: Any) -> Config:
    """What a checkpoint holds of the configuration, as far as it matters here."""
    axes = {"axes": 3} if predictor == "slices" else {}
    nodes = {"regularizer": {"name": regularizer, **axes}, "solver": {"name": "taut_string"}}
    data = {"root": "/home/somebody/images/BSD400"}
    return {
        "predictor": {"name": predictor, "initial_lam": 0.07},
        **nodes,
        "sigma": sigma,
        "seed": 3,
        "data": data,
        **more,
    }


def trained(config: Config, seed: int = 0) -> Predictor:
    """A predictor of the configuration with weights that are its own."""
    many = isinstance(config.get("sigma"), list)
    start = {key: config["predictor"][key] for key in ("initial_lam",) if key in config["predictor"]}
    arguments = starting_at(start, construct(config, "regularizer", "test"), sigma_input=many)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        predictor: Predictor = construct(config, "predictor", "test", **arguments)
        with torch.no_grad():
            for parameter in predictor.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape))
    return predictor.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def make_run(
    directory: Path,
    config: Config,
    *,
    finished: bool = True,
    overrides: list[str] | None = OVERRIDES,
    start: Path | None = None,
) -> Path:
    """The directory of a run, as far as it is read again."""
    trainer = {"epochs": 9} | ({} if start is None else {"start": str(start)})
    kept = {**config, "trainer": trainer} | ({} if overrides is None else {"overrides": overrides})
    state = {"training": {"best_weights": trained(config).state_dict(), "best_epoch": 4}}
    CheckpointStore(directory, "0", kept).save(state)
    if finished:
        result = {
            "format": 1,
            "metrics": {"baseline/lam": 0.05, "baseline/psnr": 27.5},
            "versions": {"torch": "2.13.0"},
            "git": {"commit": "0123abc"},
        }
        (directory / "result.json").write_text(json.dumps(result))
    return directory


def card_of(config: Config, name: str = "testing") -> Card:
    """A card whose numbers nobody has measured."""
    predictor = trained(config)
    training = TrainingFacts("drawn", "CC0", None, None, 0, 9, 4, {"torch": "2.13.0"}, {"lam": 0.05})
    metrics = {"psnr": 29.5, "ssim": 0.84, "noisy/psnr": None}
    row = Measured("Set12", 12, 25.0, "taut_string", 1e-10, metrics, {"set_oracle/lam": 0.06}, (), {"01": 29.0})
    return Card(
        name=name,
        config={group: config[group] for group in ("predictor", "regularizer", "solver", "sigma")},
        weights=sum(parameter.numel() for parameter in predictor.parameters()),
        training=training,
        protocol="whole images",
        numbers=(row,),
        reference=Reference("camera", (128, 128, 256, 256), 25.0, 30.0, True),
    )


def make_file(path: Path, config: Config) -> Path:
    """A model file of the configuration with the weights of `trained`."""
    write_file(path, trained(config).state_dict(), card_of(config, path.stem))
    return path
