"""The identity of a run stays: runs that were computed by earlier versions are found again."""

import pytest

from difftv.lab.runs.config import resolved
from difftv.lab.runs.identity import identity
from tests.conftest import composed

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
    ("sigma=25.0", "trainer.grad_clip=1", "data.eval_patch_size=null", "solver=scs_fast",
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
