"""The identity of a run stays: runs that were computed by earlier versions are found again."""

import inspect
import json
from dataclasses import fields
from pathlib import Path

import pytest
from hydra.utils import get_class

from difftv.lab.rundir.layout import MODELS, NEUTRAL, PLACES, has_no_effect
from difftv.lab.runs.app import RETIRED
from difftv.lab.runs.config import leaves, resolved
from difftv.lab.runs.identity import identity
from difftv.lab.runs.options import SUPPLIED
from difftv.lab.training.options import TrainingOptions
from tests.conftest import composed, options_of

GROUPS = (*SUPPLIED, "data", "trainer", "evaluation")

DIGESTS = {
    ("solver=scs",): "bb25402ae618",
    ("solver=taut_string", "data=sample", "sigma=15"): "ec3646aab6f4",
    ("experiment=demo", "solver=scs", "evaluation.model=null"): "8e2ea967fd84",
    ("experiment=diff_tv_net",): "bb25402ae618",
    ("experiment=bsd400_unet", "data.root=x"): "aaa15d096258",
    ("experiment=div2k_patches", "solver=ecos"): "de58bfd6063f",
    ("solver=scs", "data=folder", "data.root=x", "data.test=y", "scheduler=none", "optimizer=adamw",
     "seed=3"): "b6d30f4d864d",
    ("solver=clarabel", "regularizer=isotropic", "predictor=constant", "loss=mse_ssim", "tracker=none",
     "evaluation.oracle=false", "trainer.epochs=2"): "11c4441662b6",
    ("sigma=25.0", "trainer.grad_clip=1", "data.eval_patch_size=null", *RETIRED["solver", "scs_fast"].split(),
     "predictor=dncnn"): "673ed5ec5f3d",
    ("solver=scs", "+optimizer.amsgrad=true", "+scheduler.cooldown=2", "++predictor.initial_lam=0.1"): "8097e5bd6d59",
}  # fmt: skip
"""Overrides -> digest with "images" for the content of the images, computed by the version of November 2026."""


def test_bounds_make_another_run_and_no_bounds_do_not() -> None:
    plain, without, bounded = (
        identity(resolved(composed("regularizer=tgv", *words)), "images")
        for words in ((), ("regularizer.bounds=null",), ("regularizer.bounds=[0,1]",))
    )
    assert plain == without != bounded


@pytest.mark.parametrize("overrides", DIGESTS, ids=",".join)
def test_the_same_configuration_has_the_identity_that_it_had(overrides: tuple[str, ...]) -> None:
    assert identity(resolved(composed(*overrides)), "images") == DIGESTS[overrides]


FIRST_KEYS: dict[str, str] = json.loads(Path(__file__).with_name("first_keys.json").read_text())
"""Option of a group -> the keys that it had in the first version that had it, since identities are what they are."""

LATER = (
    "{option} has no keys in first_keys.json. A new option: add its keys there. A key that came to an option later: "
    "add it to NEUTRAL (difftv/lab/rundir/layout.py) with the value at which a run is what it was."
)


@pytest.mark.parametrize("option", FIRST_KEYS)
def test_a_key_that_came_later_is_neutral_or_without_effect(option: str) -> None:
    group, _, _ = option.partition("=")
    config = resolved(composed(*([option] if option else []), "++data.root=somewhere"))
    part = {group: config[group]} if group else {key: value for key, value in config.items() if key not in GROUPS}
    first = {f"{group}.{key}" if group else key for key in FIRST_KEYS[option].split()}
    for key, value in leaves(part):
        if key not in first and not has_no_effect(key) and key not in PLACES:
            assert key in NEUTRAL, f"{key}: {LATER.format(option=option)}"
            assert value == NEUTRAL[key], f"{key}={value} is not the neutral value {NEUTRAL[key]}."


def test_every_option_is_known_by_the_keys_that_it_first_had() -> None:
    options = {f"{group}={option}" for group in GROUPS for option in options_of(group)}
    assert options <= set(FIRST_KEYS), LATER.format(option=", ".join(options - set(FIRST_KEYS)))


def test_a_class_that_is_not_told_a_neutral_key_takes_the_neutral_value() -> None:
    told = set()
    for group in SUPPLIED:
        for option in options_of(group):
            kind = get_class(composed(f"{group}={option}")[group]._target_)
            for name, parameter in inspect.signature(kind).parameters.items():
                key = f"{group}.{name}"
                if key in NEUTRAL:
                    told.add(key)
                    assert parameter.default == NEUTRAL[key], (kind, key)
    for field in fields(TrainingOptions):
        if (key := f"trainer.{field.name}") in NEUTRAL:
            told.add(key)
            assert field.default == NEUTRAL[key], key
    # None and False are read from RunOptions; a configuration without a method has that of `maps`.
    elsewhere = {
        *MODELS,
        "data.colour",
        "evaluation.scalar",
        "data.clean",
        "data.quarter_turns",
        "data.axes",
        "data.source.axes",
        "method",
        "method._target_",
        "forward",
        "forward._target_",
        "noise",
        "noise._target_",
    }
    assert told | elsewhere == set(NEUTRAL)
