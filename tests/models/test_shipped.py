"""Every shipped model gives the numbers of its card."""

from pathlib import Path

import pytest
import torch

from difftv.colour import denoise_image
from difftv.denoiser import Denoiser
from difftv.errors import ConfigError
from difftv.lab.cli.card_from_run import NOT_STATED, reference_on
from difftv.lab.cli.card_page import card_page
from difftv.lab.data import PublishedImages, Sample, open_images
from difftv.lab.data.patches import to_tensor
from difftv.lab.forward import Mri
from difftv.metrics import psnr, quantize
from difftv.models.card import Card
from difftv.models.file import read_card
from difftv.models.pretrained import shipped_file, shipped_files
from difftv.noise import GaussianNoise, add_noise
from difftv.reconstructor import Reconstructor
from difftv.regularizers import FilterBank
from difftv.solvers import Admm
from tests.benchmarks.test_knee import phantom
from tests.conftest import PROJECT

KNEE = {"knee-PD", "knee-PDFS"}
"""The sets on which a model of knees is measured."""

NAMES = [pytest.param(name, id=name) for name in shipped_files()] or [
    pytest.param("", marks=pytest.mark.skip(reason="no model is shipped yet"))
]


def assert_it_gives_its_numbers(denoiser: Denoiser, card: Card, images: Path | None) -> None:
    """The reference photograph and, where the images are at hand, the first one of Set12 at every level, to 0.01 dB."""
    found = reference_on(denoiser, GaussianNoise(card.reference.sigma), card.config.get("forward"))
    assert found.psnr == pytest.approx(card.reference.psnr, abs=0.01)
    assert found.converged == card.reference.converged
    rows = [row for row in card.numbers if row.set == "Set12" and row.per_image] if images else []
    for row in rows:
        name = min(row.per_image)
        (item,) = PublishedImages(open_images([images / f"{name}.png"], cache_dir=None), sigma=row.sigma)
        with torch.no_grad():
            denoised = denoiser.denoise(item.noisy, row.sigma).denoised
        assert float(psnr(quantize(denoised), item.clean)) == pytest.approx(row.per_image[name], abs=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_photograph(name: str) -> None:
    card = read_card(shipped_file(name))
    if card.forward is None:
        denoiser = Denoiser.pretrained(name)
    else:
        reconstructor = Reconstructor.pretrained(name)
        denoiser = Denoiser(reconstructor.predictor, reconstructor.solver)
    assert_it_gives_its_numbers(denoiser, card, None)


@pytest.mark.parametrize("name", NAMES)
def test_set12(name: str, test_data: Path) -> None:
    card = read_card(shipped_file(name))
    if card.forward is not None:
        pytest.skip("Set12 is denoised, and the model takes measurements: the reference photograph is measured")
    if card.colour:
        pytest.skip("Set12 is gray, and the model is one of colour images: the reference photograph is in colour")
    assert any(row.set == "Set12" and row.per_image for row in card.numbers), "a shipped model is measured on Set12"
    assert_it_gives_its_numbers(Denoiser.pretrained(name), card, test_data / "Set12")


@pytest.mark.parametrize("name", NAMES)
def test_its_card_is_complete_and_stands_beside_it(name: str) -> None:
    card = read_card(shipped_file(name))
    expected = KNEE if card.forward is not None else {"CBSD68" if card.colour else "Set12"}
    assert expected <= {row.set for row in card.numbers if row.per_image}
    assert card.name == name
    assert card.training.terms != NOT_STATED
    assert card.training.command
    assert card.training.commit
    assert shipped_file(name).with_suffix(".md").read_text() == card_page(card)
    assert f"`{name}`" in (PROJECT / "docs" / "models.md").read_text()


@pytest.mark.skipif("knee" not in shipped_files(), reason="the model of knees is not shipped yet")
def test_the_model_of_knees_reconstructs_a_phantom_and_says_what_it_may_be_used_for() -> None:
    """No knee is stored: what it gives on knees stands in its card, measured where the images are."""
    card = read_card(shipped_file("knee"))
    assert card.config["forward"] == {"name": "mri", "acceleration": 2, "centre": 0.16}
    assert "fastMRI" in card.training.images
    assert "may not be passed on" in card.training.terms
    clean = phantom(0, 96, 80)
    look, found = Mri(2, 0.16).corrupt(clean, card.config["sigma"], operator_seed=0, noise_seed=0)
    assert found is not None
    with torch.no_grad():
        solution = Reconstructor.pretrained("knee", Admm(FilterBank(num_maps=8), tol=1e-5))(found.data, found.operator)
    assert solution.converged.all()
    assert solution.gap.max() < 1e-3
    assert float(psnr(solution.denoised, clean)) > float(psnr(look, clean)) + 3
    with pytest.raises(ConfigError, match=r"Reconstructor\.load"):
        Denoiser.pretrained("knee")


COLOURED = ("chelsea.png", (24, 98, 256, 256))


@pytest.mark.skipif("colour" not in shipped_files(), reason="no model of colour images is shipped yet")
def test_the_model_of_colours_is_better_than_a_gray_one_of_its_size_on_opponent_colours() -> None:
    file, (top, left, height, width) = COLOURED
    (path,) = (path for path in Sample().files().test if path.name == file)
    pixels = open_images([path], cache_dir=None, colour=True)[0][top : top + height, left : left + width]
    clean = to_tensor(pixels)
    noisy = add_noise(clean, 25, seed=0)
    scores = {
        name: float(psnr(quantize(denoise_image(Denoiser.pretrained(name), noisy[0], sigma=25).denoised[None]), clean))
        for name in ("colour", "gray-small")
    }
    assert scores["colour"] > scores["gray-small"] + 0.1
