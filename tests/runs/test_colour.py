"""A run on RGB images, from the command line to the numbers, the figures and a colour photograph."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from difftv.colour import COLOUR, denoise_image
from difftv.denoiser import Denoiser
from difftv.errors import ConfigError
from difftv.rundir.layout import is_run
from difftv.runs.config import resolved
from difftv.runs.identity import identity
from difftv.runs.plan import PlannedRun
from tests.conftest import composed
from tests.runs.commands import SMALL, run

COLOURED = ["data.colour=true", "regularizer=isotropic", "regularizer.channels=3", "solver=admm"]


def test_a_run_on_colour_images_trains_evaluates_draws_and_denoises(tmp_path: Path) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for index, (top, left) in enumerate([(40, 90), (60, 200), (150, 100), (100, 150), (120, 30)]):
        Image.fromarray(data.chelsea()[top : top + 40, left : left + 44]).save(photographs / f"{index}.png")
    place = tmp_path / "run"
    done = run(
        *[word for word in SMALL if word not in ("data=sample", "evaluation.figures=0")], *COLOURED, "data=folder",
        f"data.root={photographs}", "data.eval_patch_size=24", "evaluation.figures=1", "evaluation.oracle=true",
        f"hydra.run.dir={place}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert is_run(place)
    result = json.loads((place / "result.json").read_text())
    metrics = result["metrics"]
    for name in ("psnr", "noisy/psnr", "baseline/psnr", "nonlocal_means/psnr", "oracle/psnr", "ssim", "edge/gmsd"):
        assert np.isfinite(metrics[name]), name
    # White noise of sigma 25 in every channel: the mean is over all of them.
    assert metrics["noisy/psnr"] == pytest.approx(20.17, abs=0.3)
    assert metrics["oracle/psnr"] >= metrics["baseline/psnr"] > metrics["noisy/psnr"] + 2
    (strip,) = (place / "figures").glob("strip_*.png")
    pixels = np.asarray(Image.open(strip).convert("RGB")).astype(int)
    assert (np.ptp(pixels, axis=2) > 20).mean() > 0.01

    denoiser = Denoiser.load(place)
    assert denoiser.predictor.channels == denoiser.solver.regularizer.channels == 3
    noisy = torch.rand(3, 20, 24, generator=torch.Generator().manual_seed(0))
    assert tuple(denoise_image(denoiser, noisy).lam) == COLOUR
    with pytest.raises(ValueError, match=r"noisy must have shape \(batch, 3, height, width\)"):
        denoiser(noisy[None, :1])


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.colour=true"], "regularizer.channels is 1, but the images are RGB (data.colour=true). Set regularizer"),
        (["data.colour=true", "regularizer=isotropic"], "regularizer.channels is 1, but the images are RGB"),
        ([*COLOURED, "data.colour=false"], "regularizer.channels is 3, but the images are gray (data.colour=false)"),
        ([*COLOURED, "regularizer.channels=2"], "regularizer.channels is 2, but the images are RGB"),
        (["data.colour=1"], "data.colour must be true or false, got 1"),
        (["++predictor.channels=3"], "predictor.channels is set by the run itself"),
    ],
    ids=str,
)
def test_channels_that_do_not_fit_are_refused_before_any_work(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        PlannedRun.of(composed("data=sample", *words)).check()
    assert message in str(refused.value)


def test_colour_is_part_of_the_identity_and_gray_is_what_it_was() -> None:
    plain = resolved(composed("data=sample", "regularizer=isotropic"))
    coloured = resolved(composed("data=sample", *COLOURED[:3]))
    assert identity(plain, "images") != identity(coloured, "images")
    for group, key in (("data", "colour"), ("regularizer", "channels")):
        del plain[group][key]
    again = resolved(composed("data=sample", "regularizer=isotropic"))
    assert identity(plain, "images") == identity(again, "images")
