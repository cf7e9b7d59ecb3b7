"""Forward models: what they draw follows from the seeds, noise has its level, and runs behind them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from difftv.denoiser import Denoiser
from difftv.errors import ConfigError
from difftv.lab.baselines import scalar_denoiser
from difftv.lab.forward import Ct, Deblurring, ForwardModel, Identity, Inpainting, Mri, joined
from difftv.lab.runs.build import build
from difftv.lab.runs.plan import PlannedRun
from difftv.lab.training.restoration import restore
from difftv.linear import Convolution, Fourier, Mask, dot_test
from difftv.noise import GaussianNoise
from difftv.predictors import Constant
from difftv.reconstructor import Reconstructor
from difftv.regularizers import IsotropicTV
from difftv.solvers import Admm
from tests.conftest import composed
from tests.runs.commands import SMALL, run_each

MODELS: dict[str, ForwardModel] = {
    "inpainting": Inpainting(0.6),
    "gaussian": Deblurring(width=[0.5, 2.0], size=7),
    "motion": Deblurring("motion", width=5, size=7, boundary="symmetric"),
    "valid": Deblurring("motion", width=3, size=5, boundary="valid"),
    "mri": Mri(3),
    "ct": Ct(angles=7),
}


def image(seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 1, 24, 20, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", MODELS)
def test_the_seeds_choose_operator_and_noise_each_by_itself(name: str) -> None:
    model, clean = MODELS[name], image()
    seeds = {"operator_seed": 1, "noise_seed": 2}
    look, found = model.corrupt(clean, 5.0, **seeds)
    again, same = model.corrupt(clean, 5.0, **seeds)
    assert torch.equal(look, again)
    assert torch.equal(found.data, same.data)
    assert look.shape == clean.shape
    exact = found.operator.apply(clean)
    _, quieter = model.corrupt(clean, 2.5, **seeds)
    torch.testing.assert_close(found.data - exact, 2 * (quieter.data - exact), rtol=1e-3, atol=2e-6)
    _, other = model.corrupt(clean, 5.0, operator_seed=3, noise_seed=2)
    assert torch.equal(other.operator.apply(clean), exact) == isinstance(model, Ct)
    assert dot_test(found.operator, tuple(clean.shape)) < 1e-6
    noise = (found.data - exact)[found.data != 0]
    noise = torch.view_as_real(noise) if noise.is_complex() else noise
    assert 0.85 < float(noise.std()) * 255 / 5.0 < 1.15


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_is_what_its_images_are(name: str) -> None:
    parts = [MODELS[name].corrupt(image(seed), 5.0, operator_seed=seed, noise_seed=9)[1] for seed in range(3)]
    batch = joined(parts)
    x = torch.cat([image(seed) for seed in range(3)])
    whole = batch.operator.apply(x)
    for index, part in enumerate(parts):
        torch.testing.assert_close(whole[index : index + 1], part.operator.apply(x[index : index + 1]))
        torch.testing.assert_close(batch.operator.adjoint(whole)[index], part.operator.adjoint(whole[index][None])[0])
    chosen = batch.operator.select(torch.tensor([2, 0]), 3)
    torch.testing.assert_close(chosen.apply(x[[2, 0]]), whole[[2, 0]])


def test_denoising_is_as_before() -> None:
    noisy, measured = Identity().corrupt(image(), 25.0, operator_seed=5, noise_seed=3)
    assert torch.equal(noisy, GaussianNoise(25.0).corrupt(image(), seed=3))
    assert measured is None


def test_operators_are_what_the_words_say() -> None:
    draw = np.random.default_rng(0)
    mask = Inpainting(0.3).operator((60, 50), draw)
    assert isinstance(mask, Mask)
    assert float(mask.mask.mean()) == pytest.approx(0.3, abs=0.05)
    fourier = Mri(4).operator((16, 100), draw)
    assert isinstance(fourier, Fourier)
    columns = fourier.mask[0, 0]
    assert bool((columns == columns[:1]).all())
    assert float(columns[0].sum()) == 25
    assert bool((columns[0][[0, 1, 2, 3, -1, -2, -3]] == 1).all())
    for kind, width in (("gaussian", 1.5), ("motion", 6.0)):
        blur = Deblurring(kind, width=width, size=11).operator((30, 30), draw)
        assert isinstance(blur, Convolution)
        assert float(blur.kernel.sum()) == pytest.approx(1.0)
        assert bool((blur.kernel >= 0).all())
        rows, columns = torch.meshgrid(torch.arange(11.0) - 5, torch.arange(11.0) - 5, indexing="ij")
        assert abs(float((blur.kernel * rows).sum())) < 0.01
        assert abs(float((blur.kernel * columns).sum())) < 0.01
        spread = float((blur.kernel * (rows**2 + columns**2)).sum()) ** 0.5
        assert 0.5 * width * (12**-0.5) < spread < 1.5 * width
    ct = Ct(angles=5).operator((24, 24), draw)
    values = ct.apply(torch.ones(1, 1, 24, 24))
    assert float(values[0, 0, 0].max()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("construct", "message"),
    [
        (lambda: Inpainting(1.0), r"keep must be a number with 0 < keep < 1"),
        (lambda: Mri(0.5), "acceleration must be a number >= 1"),
        (lambda: Mri(4, centre=0.5), r"centre must be a share > 0 and <= 0.25"),
        (lambda: Deblurring(size=4), "size must be odd"),
        (lambda: Deblurring("box"), "kernel must be gaussian or motion"),
        (lambda: Deblurring(width=[2, 1]), r"width must be a number > 0 or a pair \[low, high\]"),
        (lambda: Deblurring(boundary="zero"), "boundary must be one of"),
        (lambda: Ct(angles=0), "angles must be a positive integer"),
        (lambda: Mri().corrupt(image(), 1.0, operator_seed=0, noise_seed=0, clip=True), "clip_noise must be false"),
    ],
)
@pytest.mark.usefixtures("jaxtyping_off")
def test_wrong_arguments(construct, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        construct()


def test_scalars_are_in_the_units_of_the_measurements_and_maps_go_through_the_reconstructor() -> None:
    clean = image()
    look, measured = Mri(2).corrupt(clean, 1.0, operator_seed=0, noise_seed=1)
    solver = Admm(IsotropicTV(), tol=1e-6)
    scalar = restore(scalar_denoiser(solver, [0.004]), look, 1.0, measured).denoised
    maps = torch.full_like(look, 0.004)
    torch.testing.assert_close(scalar, solver(measured.data, maps, operator=measured.operator).denoised)
    learned = Denoiser(Constant(initial_lam=0.01), solver)
    expected = Reconstructor.of(learned, 0.5)(measured.data, measured.operator).denoised
    torch.testing.assert_close(restore(learned, look, 1.0, measured, 0.5).denoised, expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["solver=exact"], "solver=exact takes no forward operator"),
        (["data.clip_noise=true"], "clip_noise must be false behind a forward operator"),
        (["data.colour=true", "regularizer=isotropic", "regularizer.channels=3"], "Set data.colour=false"),
        (["forward.acceleration=0"], "forward.acceleration must be a number >= 1"),
        (["++forward.accelaration=2"], "Did you mean forward.acceleration"),
    ],
)
@pytest.mark.usefixtures("jaxtyping_off")
def test_what_no_run_could_do_is_refused_before_work_starts(words: list[str], message: str) -> None:
    def start() -> None:
        planned = PlannedRun.of(composed("data=sample", "forward=mri", "tracker=none", *words))
        planned.check()
        build(planned)

    with pytest.raises(ConfigError, match=message):
        start()


QUICK = [*SMALL, "patch_size=16", "trainer.epochs=1", "evaluation.refinements=1", "regularizer=isotropic", "sigma=10",
         "data.crops_per_image=1", "evaluation.search_images=1", "evaluation.test_images=1", "predictor=constant",
         "evaluation.validation_images=1", "predictor.initial_lam=0.01", "solver=admm", "solver.tol=1e-3",
         "solver.max_iter=60", "evaluation.oracle=false"]  # fmt: skip


def test_a_run_behind_an_operator_has_its_numbers_and_figures(tmp_path: Path) -> None:
    words = [*QUICK, "forward=mri", "forward.acceleration=4", "evaluation.figures=1", f"hydra.run.dir={tmp_path}"]
    ((code, shown),) = run_each([("", words)])
    assert code == 0, shown
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["config"]["choices"]["forward"] == "mri"
    metrics = result["metrics"]
    assert metrics["baseline/psnr"] > metrics["noisy/psnr"]
    assert metrics["psnr"] > 0
    assert "nonlocal_means/psnr" not in metrics
    assert any(path.name.startswith("strip_") for path in (tmp_path / "figures").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("forward", ["inpainting", "deblurring", "ct"])
def test_a_run_behind_every_operator(forward: str, tmp_path: Path) -> None:
    ((code, shown),) = run_each([("", [*QUICK, f"forward={forward}", f"hydra.run.dir={tmp_path}"])])
    assert code == 0, shown
    metrics = json.loads((tmp_path / "result.json").read_text())["metrics"]
    assert metrics["baseline/psnr"] > metrics["noisy/psnr"]
