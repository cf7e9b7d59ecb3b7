"""`evaluate.py` on measured data: every kind of file, scores on the crop, and what is refused."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data

from difftv import Admm, Cnn, Denoiser, IsotropicTV
from difftv.errors import DataError
from difftv.lab.cli.evaluate_measured import evaluate_measured
from difftv.lab.data.measured import read_measured
from difftv.lab.rundir.checkpoint import CheckpointStore
from difftv.lab.training.restoration import restore
from difftv.linear import Convolution, Fourier, Mask, Matrix, first_look, parallel_beam
from difftv.metrics import psnr
from difftv.predictors import Constant
from difftv.reconstructor import Reconstructor
from tests.conftest import PROJECT

Main = Callable[[list[str]], int]

HEIGHT, WIDTH = 24, 20
CLEAN = torch.from_numpy(data.camera()[100:124, 200:220].astype(np.float32) / 255)[None, None]
CROP = (4, 2, 12, 10)


@pytest.fixture(scope="module")
def main() -> Main:
    return runpy.run_path(str(PROJECT / "experiments" / "evaluate.py"))["main"]


def draw(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def entries(kind: str) -> tuple[torch.nn.Module, dict[str, np.ndarray]]:
    """The operator and what a file says of it."""
    mask = draw(HEIGHT, WIDTH) < 0.7
    kernel = draw(3, 5) / draw(3, 5).sum()
    if kind == "inpainting":
        return Mask(mask), {"mask": mask.numpy()}
    if kind == "fourier":
        return Fourier(mask), {"mask": mask.numpy()}
    if kind == "coils":
        coils = torch.complex(draw(1, 3, HEIGHT, WIDTH), draw(1, 3, HEIGHT, WIDTH).flip(1))
        return Fourier(mask, coils), {"mask": mask.numpy(), "coil_maps": coils[0].numpy()}
    if kind == "valid blur":
        return Convolution(kernel, "valid"), {"kernel": kernel.numpy(), "boundary": np.array("valid")}
    if kind == "blur":
        return Convolution(kernel), {"kernel": kernel.numpy()}
    angles = np.linspace(0, np.pi, 9, endpoint=False)
    rays = parallel_beam((HEIGHT, WIDTH), angles, 32) / HEIGHT
    return Matrix(rays, (HEIGHT, WIDTH), (1, 9, 32)), {"angles": angles, "image_shape": np.array([HEIGHT, WIDTH])}


KINDS = ["inpainting", "fourier", "coils", "valid blur", "blur", "ct"]


def write(path: Path, kind: str, **more: np.ndarray) -> None:
    operator, found = entries(kind)
    np.savez(path, measurements=operator.apply(CLEAN)[0].numpy(), **{**found, **more})


def make_run(directory: Path, forward: str | None = "Mri") -> Path:
    config = {
        "predictor": {"_target_": "difftv.predictors.Constant", "initial_lam": 0.01},
        "regularizer": {"_target_": "difftv.regularizers.IsotropicTV"},
        "solver": {"_target_": "difftv.solvers.Admm"},
        "sigma": 2,
        **({"forward": {"_target_": f"difftv.lab.forward.{forward}"}} if forward else {}),
    }
    weights = Constant(initial_lam=0.01).state_dict()
    CheckpointStore(directory, "0", config).save({"training": {"best_weights": weights, "best_epoch": 1}})
    (directory / "result.json").write_text(json.dumps({"format": 1, "metrics": {"baseline/lam": 0.004}}))
    return directory


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_says_what_was_measured(kind: str, tmp_path: Path) -> None:
    write(tmp_path / "one.npz", kind)
    found = read_measured(tmp_path / "one.npz")
    operator, _ = entries(kind)
    torch.testing.assert_close(found.measured.operator.apply(CLEAN), operator.apply(CLEAN))
    torch.testing.assert_close(found.measured.data, operator.apply(CLEAN))
    assert found.clean is None
    assert found.scored(CLEAN).shape == CLEAN.shape


def test_a_network_is_told_the_noise_level_as_in_training(tmp_path: Path) -> None:
    write(tmp_path / "one.npz", "blur")
    network = Cnn(sigma_input=True, initial_lam=0.01)
    with torch.no_grad():
        network.network.layers[-1].weight.add_(0.1 * draw(*network.network.layers[-1].weight.shape))
    denoiser = Denoiser(network, Admm(IsotropicTV()))
    evaluate_measured(denoiser, [tmp_path / "one.npz"], tuned=None, folder=tmp_path / "found", factor=1.0, sigma=20.0)
    measured = read_measured(tmp_path / "one.npz").measured
    with torch.no_grad():
        expected = restore(denoiser, first_look(measured.operator, measured.data), 20.0, measured)
    maps = np.load(tmp_path / "found" / "one.npz")["maps"]
    np.testing.assert_allclose(maps, expected.lam[0].numpy(), rtol=1e-5)


@pytest.mark.parametrize("whole", [True, False])
def test_numbers_are_those_of_the_reconstructor_on_the_crop(main: Main, tmp_path: Path, whole: bool) -> None:
    top, left, height, width = CROP
    part = CLEAN[0, 0, top : top + height, left : left + width]
    clean = CLEAN[0, 0].numpy() if whole else part.numpy()
    (tmp_path / "set").mkdir()
    write(tmp_path / "set" / "slice.npz", "fourier", clean=clean, crop=np.array(CROP))
    run = make_run(tmp_path / "run")
    assert main([str(run), str(tmp_path / "set"), "--device", "cpu"]) == 0
    metrics = json.loads((run / "evaluation-set.json").read_text())["metrics"]
    operator, _ = entries("fourier")
    y = operator.apply(CLEAN)
    solver = Admm(IsotropicTV())
    learned = Reconstructor(Constant(initial_lam=0.01), solver)(y, operator).denoised
    scalar = solver(y, torch.full_like(CLEAN, 0.004), operator=operator).denoised
    for prefix, image in (("noisy/", first_look(operator, y)), ("tuned/", scalar), ("", learned)):
        cropped = image.detach()[..., top : top + height, left : left + width]
        assert metrics[f"{prefix}psnr"] == pytest.approx(float(psnr(cropped, part[None, None])), abs=1e-3)
    written = np.load(run / "evaluation-set" / "slice.npz")
    np.testing.assert_allclose(written["reconstruction"], learned[0].detach().numpy(), atol=1e-5)
    assert "| slice " in (run / "evaluation-set.md").read_text()


def test_a_model_of_denoising_has_no_scalar_and_a_factor(main: Main, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    write(tmp_path / "set" / "slice.npz", "blur", clean=CLEAN[0, 0].numpy())
    run = make_run(tmp_path / "run", forward=None)
    assert main([str(run), str(tmp_path / "set"), "--factor", "0.5", "--device", "cpu"]) == 0
    found = json.loads((run / "evaluation-set.json").read_text())
    assert found["factor"] == 0.5
    assert "tuned/psnr" not in found["metrics"]


def test_numbers_of_another_folder_of_that_name_are_kept(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", forward=None)
    for kind, name in (("pd", "one"), ("pdfs", "two")):
        (tmp_path / kind / "test").mkdir(parents=True)
        write(tmp_path / kind / "test" / f"{name}.npz", "blur", clean=CLEAN[0, 0].numpy())
    assert main([str(run), str(tmp_path / "pd" / "test"), "--device", "cpu"]) == 0
    before = (run / "evaluation-test.csv").read_bytes()
    assert main([str(run), str(tmp_path / "pdfs" / "test"), "--device", "cpu"]) == 2
    assert "evaluation-test.csv holds the numbers of other images (one, ..)" in capsys.readouterr().err
    assert (run / "evaluation-test.csv").read_bytes() == before
    assert main([str(run), str(tmp_path / "pdfs" / "test"), "--name", "pdfs", "--device", "cpu"]) == 0
    write(tmp_path / "pd" / "test" / "two.npz", "blur", clean=CLEAN[0, 0].numpy())
    assert main([str(run), str(tmp_path / "pd" / "test"), "--device", "cpu"]) == 0


@pytest.mark.parametrize("words", [["--noise", "0.02,5"], ["--axes", "3"]])
def test_what_is_for_clean_images_is_not_ignored(
    words: list[str], main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "set").mkdir()
    write(tmp_path / "set" / "slice.npz", "blur", clean=CLEAN[0, 0].numpy())
    run = make_run(tmp_path / "run", forward=None)
    assert main([str(run), str(tmp_path / "set"), *words, "--device", "cpu"]) == 2
    assert "--noise and --axes 3 are for clean images" in capsys.readouterr().err
    assert not [*run.glob("evaluation-*")]


def test_a_model_behind_an_operator_is_not_used_to_denoise(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run")
    from PIL import Image

    Image.fromarray(data.camera()[:20, :20]).save(tmp_path / "x.png")
    assert main([str(run), str(tmp_path / "x.png")]) == 2
    assert "was trained behind a forward operator (mri)" in capsys.readouterr().err


WRONG = {
    "no operator": ({}, "it must hold measurements and one of mask, kernel, angles"),
    "unknown": ({"mask": np.ones((4, 4)), "maks": np.ones(2)}, "unknown entries maks"),
    "shape": ({"mask": np.ones((4, 5))}, "mask must be"),
    "crop": ({"mask": np.ones((4, 4)), "crop": np.array([0, 0, 9, 1])}, "crop must be top, left, height, width"),
    "clean": ({"mask": np.ones((4, 4)), "clean": np.ones((3, 3))}, r"clean must have shape \(4, 4\)"),
    "text": ({"mask": np.ones((4, 4)), "clean": np.array("x")}, "clean must hold numbers"),
    "no size": ({"angles": np.zeros(1)}, "image_shape"),
}


@pytest.mark.parametrize("name", WRONG)
def test_files_that_do_not_fit_are_refused_by_name(name: str, tmp_path: Path) -> None:
    more, message = WRONG[name]
    np.savez(tmp_path / "bad.npz", measurements=np.zeros((1, 4, 4), dtype=np.float32), **more)
    with pytest.raises(DataError, match=rf"bad\.npz: .*{message}"):
        read_measured(tmp_path / "bad.npz")


def test_objects_in_a_file_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", measurements=np.array([{"a": 1}], dtype=object), mask=np.ones((1, 1)))
    with pytest.raises(DataError, match="plain arrays"):
        read_measured(tmp_path / "bad.npz")
