"""`python experiments/denoise.py`, as a user types it, with a run that `experiments/run.py` has made."""

import errno
import importlib
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from difftv.denoiser import Denoiser
from difftv.errors import CheckpointError
from difftv.lab.imagefiles import encode_like, read_image
from difftv.lab.rundir.checkpoint import CheckpointStore, read_with_config
from difftv.predictors import Constant
from tests.closed_output import run_redirected, run_with_closed_output
from tests.conftest import PROJECT
from tests.denoise.image_files import raw_png, tagged, tiff_of
from tests.runs.commands import SMALL, run

Main = Callable[[list[str]], int]

SCRIPT = PROJECT / "experiments" / "denoise.py"
COLOUR = data.chelsea()[100:180, 150:250]
GRAY = data.camera()[200:290, 180:260]
SMALL_GRAY = GRAY[:24, :30]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / "run"
    # The map starts at a value that already denoises: two epochs of three steps teach nothing.
    done = run(*SMALL, "solver=taut_string", "predictor.initial_lam=0.1", f"hydra.run.dir={directory}")
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="module")
def main() -> Main:
    return runpy.run_path(str(SCRIPT))["main"]


def noisy(clean: np.ndarray, dtype: type = np.uint8) -> np.ndarray:
    """Noise of sigma 25 on the photograph, in 8 or 16 bit."""
    noise = 25 * np.random.default_rng(0).standard_normal(clean.shape)
    return ((clean + noise).clip(0, 255) * (np.iinfo(dtype).max / 255)).round().astype(dtype)


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def psnr(path: Path, clean: np.ndarray) -> float:
    image = read_image(path)
    pixels = np.moveaxis(image.channels, 0, -1) / image.full_scale
    return float(-10 * np.log10(np.mean((pixels.squeeze() - clean / 255) ** 2)))


def test_a_run_stores_its_classes_by_name(trained: Path) -> None:
    _, config = read_with_config(trained / "checkpoint.pt")
    names = [config[group]["name"] for group in ("predictor", "regularizer", "solver")]
    assert names == ["cnn", "anisotropic", "exact"]
    assert not any("_target_" in config[group] for group in ("predictor", "regularizer", "solver"))


def test_images_of_every_kind_are_denoised_beside_themselves(
    main: Main, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = tmp_path / "deep.png"
    alpha = np.arange(80 * 100).reshape(80, 100, 1).astype(np.uint16)
    deep.write_bytes(raw_png(np.concatenate([noisy(COLOUR, np.uint16), alpha], axis=-1)))
    scan = tmp_path / "scan.tif"
    Image.fromarray(noisy(GRAY, np.uint16)).save(scan)
    images = [save(tmp_path / "colour.jpg", noisy(COLOUR)), save(tmp_path / "gray.bmp", noisy(GRAY)), deep, scan]
    before = {path: path.read_bytes() for path in images}
    assert main([str(trained), *map(str, images)]) == 0
    shown = capsys.readouterr()
    assert "trained for sigma 25" in shown.out
    assert "cut off" not in shown.out
    assert "PSNR" not in shown.out
    assert shown.err == ""
    for path in images:
        clean = GRAY if path.stem in ("gray", "scan") else COLOUR
        target = tmp_path / f"{path.stem}-denoised{path.suffix}"
        assert psnr(target, clean) > psnr(path, clean) + 5
        old, new = read_image(path), read_image(target)
        assert (new.kind, new.channels.dtype, new.channels.shape) == (old.kind, old.channels.dtype, old.channels.shape)
        assert f"{path}: {old}, " in shown.out
        with Image.open(tmp_path / f"{path.stem}-lam.png") as picture:
            assert picture.width > 1000
    np.testing.assert_array_equal(read_image(tmp_path / "deep-denoised.png").alpha, alpha[..., 0])
    assert {path: path.read_bytes() for path in images} == before
    assert len(list(tmp_path.iterdir())) == 3 * len(images)


def test_what_is_written_is_what_python_gives(main: Main, trained: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "gray.png", noisy(GRAY))
    assert (
        main(
            [str(trained), str(path), "--output", str(tmp_path / "new" / "folder"), "--device", "cpu", "--tol", "1e-10"]
        )
        == 0
    )
    with torch.no_grad():
        denoised = Denoiser.load(trained)(torch.from_numpy(noisy(GRAY))[None, None] / 255).denoised
    expected = (denoised[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    assert (tmp_path / "new" / "folder" / "gray-denoised.png").read_bytes() == encode_like(read_image(path), expected)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["gray.png", "new"]


def test_the_default_tolerance_is_exact(main: Main, trained: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "gray.png", noisy(data.camera()[128:384, 128:384]))
    assert main([str(trained), str(path), "--output", str(tmp_path / "tight"), "--tol", "1e-14"]) == 0
    assert main([str(trained), str(path)]) == 0
    tight = read_image(tmp_path / "tight" / "gray-denoised.png").channels
    np.testing.assert_array_equal(read_image(tmp_path / "gray-denoised.png").channels, tight)


def test_the_psnr_against_a_clean_image_is_that_of_the_files(
    main: Main, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [save(tmp_path / "a.png", noisy(COLOUR)), save(tmp_path / "b.png", noisy(GRAY))]
    clean = [save(tmp_path / "c.png", COLOUR), save(tmp_path / "d.png", GRAY)]
    assert main([str(trained), *map(str, images), "--clean", *map(str, clean)]) == 0
    shown = capsys.readouterr().out
    for path, reference in zip(images, (COLOUR, GRAY), strict=True):
        before, after = psnr(path, reference), psnr(tmp_path / f"{path.stem}-denoised.png", reference)
        assert f"PSNR {before:.2f} -> {after:.2f} dB" in shown


def test_one_bad_file_does_not_stop_the_others(trained: Path, tmp_path: Path) -> None:
    good = save(tmp_path / "good.png", noisy(GRAY))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nonsense")
    arguments = [str(trained), str(bad), str(tmp_path / "nowhere.png"), str(good)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert f"{bad}: not an image in one of the formats" in done.stderr
    assert f"{tmp_path / 'nowhere.png'}: no such file" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bad.png",
        "good-denoised.png",
        "good-lam.png",
        "good.png",
    ]


def test_no_image_and_no_result_is_ever_overwritten(
    main: Main, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = save(tmp_path / "a.png", noisy(GRAY)), save(tmp_path / "a-denoised.png", noisy(GRAY))
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    before = second.read_bytes()
    assert main([str(trained), str(first), str(tmp_path / "link" / "a-denoised.png")]) == 1
    assert f"{first}: {second} is one of the images" in capsys.readouterr().err
    assert second.read_bytes() == before
    second.unlink()
    assert main([str(trained), str(first), str(first)]) == 1
    assert f"{first}: {second} is written for {first}: denoise one in another call" in capsys.readouterr().err
    second.unlink()


def test_two_formats_of_one_name_in_one_call(main: Main, trained: Path, tmp_path: Path) -> None:
    images = [save(tmp_path / "a.bmp", noisy(SMALL_GRAY)), save(tmp_path / "a.png", noisy(SMALL_GRAY))]
    assert main([str(trained), *map(str, images)]) == 0
    expected = {"a.bmp", "a.png", "a-denoised.bmp", "a-denoised.png", "a.bmp-lam.png", "a.png-lam.png"}
    assert {path.name for path in tmp_path.iterdir()} == expected


def forbid_solving(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("solved before the outputs were checked")

    monkeypatch.setattr("difftv.lab.cli.denoise.denoise_image", refuse)


def test_what_cannot_be_written_is_named_before_the_solve(
    main: Main, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid_solving(monkeypatch)
    long = save(tmp_path / f"{'x' * 245}.png", noisy(SMALL_GRAY))
    image = save(tmp_path / "a.png", noisy(SMALL_GRAY))
    (tmp_path / "file").touch()
    (tmp_path / "a-lam.png").mkdir()
    assert main([str(trained), str(long), str(image)]) == 1
    shown = capsys.readouterr().err
    assert (
        f"{'x' * 245}-lam.png" in shown or f"{'x' * 245}-denoised.png cannot be written (File name too long)" in shown
    )
    assert f"{tmp_path / 'a-lam.png'} cannot be written (Is a directory)" in shown
    assert main([str(trained), str(image), "--output", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("bits", [8, 12])
def test_few_bits_in_a_deep_file_and_the_white_level(
    main: Main, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], bits: int
) -> None:
    white = 2**bits - 1
    values = (noisy(SMALL_GRAY) / 255 * white).round().astype(np.uint16)
    values[0, 0] = white
    path, clean = save(tmp_path / "deep.png", values), tmp_path / "clean.png"
    save(clean, (SMALL_GRAY / 255 * white).round().astype(np.uint16))
    assert main([str(trained), str(path)]) == 0
    assert f"{path}: its largest value is {white} of 65535 ({bits} bit)" in capsys.readouterr().err
    level = ["--white-level", str(white)]
    assert main([str(trained), str(path), "--clean", str(clean), *level]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    # The same picture at full scale is denoised to the same intensities, up to the rounding of its levels.
    full = save(tmp_path / "full.png", (values * (65535 / white)).round().astype(np.uint16))
    assert main([str(trained), str(full)]) == 0
    denoised, expected = (read_image(tmp_path / f"{name}-denoised.png") for name in ("deep", "full"))
    np.testing.assert_allclose(denoised.channels / white, expected.channels / 65535, atol=0.6 / white)
    error = np.mean((denoised.channels[0] / white - read_image(clean).channels[0] / white) ** 2)
    assert f"-> {-10 * np.log10(error):.2f} dB" in shown.out
    assert main([str(trained), str(save(tmp_path / "b.png", noisy(SMALL_GRAY))), "--white-level", "4095"]) == 1
    assert "--white-level 4095 is above 255" in capsys.readouterr().err


def test_a_nan_is_no_white_level(main: Main, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for level in ("0", "-1", "nan", "inf"):
        assert main([str(trained), "a.png", f"--white-level={level}"]) == 2
        assert "--white-level must be a positive finite number" in capsys.readouterr().err


def test_metadata_that_cannot_be_copied_is_named(
    main: Main, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tagged(tiff_of(SMALL_GRAY, resolution=(9, 9), resolutionunit="INCH"), 296, "H", 0))
    assert main([str(trained), str(path)]) == 0
    assert f"{path}: written without its resolution" in capsys.readouterr().err
    assert (tmp_path / "a-denoised.tif").exists()


def test_a_name_that_is_no_text_is_a_name(trained: Path, tmp_path: Path) -> None:
    place = save(tmp_path / "a.png", noisy(SMALL_GRAY))
    place = place.rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    command = [sys.executable, str(SCRIPT), str(trained), str(place)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert b"caf\\udce9.png: 30x24 gray" in done.stdout
    assert {os.fsencode(path.name) for path in tmp_path.iterdir()} == {
        b"caf\xe9.png", b"caf\xe9-denoised.png", b"caf\xe9-lam.png",
    }  # fmt: skip


def test_every_image_is_written_where_the_output_is_closed(trained: Path, tmp_path: Path) -> None:
    images = [save(tmp_path / f"{name}.png", noisy(SMALL_GRAY)) for name in "ab"]
    done = run_with_closed_output(SCRIPT, trained, *images)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Broken pipe" not in done.stderr
    assert {f"{name}-denoised.png" for name in "ab"} < {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("redirection", ["2>&-", "<&- >&- 2>&-", "> /dev/full", "2> /dev/full"])
def test_every_image_is_written_without_a_stream(redirection: str, trained: Path, tmp_path: Path) -> None:
    if "full" in redirection and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    images = [save(tmp_path / f"{name}.png", noisy(SMALL_GRAY)) for name in "ab"]
    done = run_redirected(redirection, SCRIPT, trained, *images)
    assert done.returncode == 0, done
    assert b"Traceback" not in done.stderr
    for name in "ab":
        assert read_image(tmp_path / f"{name}-denoised.png").channels.shape == (1, *SMALL_GRAY.shape)


def test_a_picture_that_cannot_be_drawn_is_no_failure_of_its_image(
    main: Main, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("difftv.lab.figures.save_figure", full)
    path = save(tmp_path / "a.png", noisy(SMALL_GRAY))
    assert main([str(trained), str(path)]) == 0
    shown = capsys.readouterr()
    assert f"{path}: denoised; the picture of the map was not written: [Errno 28] No space left" in shown.err
    assert shown.out.strip().endswith("a-denoised.png")
    assert {file.name for file in tmp_path.iterdir()} == {"a.png", "a-denoised.png"}


def test_a_directory_of_images_is_answered_with_its_glob(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "a.png", SMALL_GRAY)
    assert main([str(tmp_path)]) == 2
    assert f"{tmp_path}/*.png" in capsys.readouterr().err


def test_a_shipped_model_is_not_looked_for_in_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=r"no directory gray, .*Denoiser\.pretrained\('gray'\)"):
        Denoiser.load("gray")


@pytest.mark.parametrize("name", ["dashboard", "denoise", "evaluate", "export", "report", "status", "table"])
def test_every_command_knows_its_version_and_ends_quietly_when_interrupted(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = importlib.import_module(f"difftv.lab.cli.{name}")
    assert command.main(["--version"]) == 0
    assert capsys.readouterr().out == f"difftv {version('difftv')}\n"

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("argparse.ArgumentParser.parse_args", interrupted)
    assert command.main([]) == 130
    assert capsys.readouterr().err == "interrupted\n"


INTERRUPTED_IMPORT = """
import sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name in ("numpy", "hydra", "difftv.arguments"):
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
import runpy
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("script", sorted(path.name for path in (PROJECT / "experiments").glob("*.py")))
def test_an_interrupt_while_libraries_load_is_one_line(script: str) -> None:
    words = [sys.executable, "-c", INTERRUPTED_IMPORT, str(PROJECT / "experiments" / script)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == -signal.SIGINT, done.stderr
    assert done.stderr == "interrupted\n"


@pytest.mark.parametrize("script", ["ablation", "benchmark", "gradient_accuracy", "ramp"])
def test_every_script_knows_its_version(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(PROJECT / "experiments" / f"{script}.py"))["main"]
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"difftv {version('difftv')}\n"


def test_a_run_knows_its_version() -> None:
    words = [sys.executable, str(PROJECT / "experiments" / "run.py"), "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=PROJECT)
    assert (done.returncode, done.stdout) == (0, f"difftv {version('difftv')}\n"), done.stderr


def test_a_name_without_a_suffix_gets_that_of_its_format(main: Main, trained: Path, tmp_path: Path) -> None:
    save(tmp_path / "a.png", noisy(SMALL_GRAY)).rename(tmp_path / "a")
    assert main([str(trained), str(tmp_path / "a")]) == 0
    assert read_image(tmp_path / "a-denoised.png").kind == "PNG"


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="this system has no /dev/stdin")
def test_a_file_as_standard_input_goes_where_the_output_says(trained: Path, tmp_path: Path) -> None:
    place = save(tmp_path / "a.png", noisy(SMALL_GRAY))
    for output, code in (([], 1), (["--output", str(tmp_path / "out")], 0)):
        with place.open("rb") as file:
            words = [sys.executable, str(SCRIPT), str(trained), "/dev/stdin", *output]
            done = subprocess.run(words, stdin=file, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        if not output:
            assert "/dev/stdin: a device has no directory of its own: give one as --output" in done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"stdin-denoised.png", "stdin-lam.png"}


@pytest.mark.parametrize("module", ["difftv", "difftv.cli.denoise", "difftv.lab.cli.denoise"])
def test_the_module_is_the_command(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "noisy image files" in done.stdout


def test_an_empty_path_is_refused(main: Main, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["", "a.png"], [str(trained), ""], [str(trained), "a.png", "--output", ""]):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
        assert "a path must not be empty" in capsys.readouterr().err


def test_a_clean_image_that_does_not_fit_is_named(
    main: Main, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, clean = save(tmp_path / "a.png", noisy(GRAY)), save(tmp_path / "c.png", COLOUR)
    assert main([str(trained), str(image), "--clean", str(clean)]) == 1
    assert f"its clean image {clean} is 100x80 RGB" in capsys.readouterr().err
    assert main([str(trained), str(image), "--clean", str(tmp_path / "nowhere.png")]) == 1
    assert "nowhere.png: no such file" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([str(trained), str(image), "--clean", str(clean), str(clean)])
    assert "1 images, 2 clean ones" in capsys.readouterr().err
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_no_run_is_named(main: Main, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(trained.parent), "image.png"]) == 2
    assert f"such as {trained}" in capsys.readouterr().err
    assert main([str(trained), "image.png", "--device", "nonsense"]) == 2
    assert "Use auto, cpu, cuda" in capsys.readouterr().err
    assert main([str(trained), "image.png", "--tol", "0"]) == 2
    assert "--tol must be a positive finite number" in capsys.readouterr().err


def test_an_isotropic_run_takes_small_images_with_its_own_solver(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {
        "predictor": {"_target_": "difftv.predictors.Constant", "initial_lam": 0.1},
        "regularizer": {"_target_": "difftv.regularizers.IsotropicTV"},
        "solver": {"_target_": "difftv.solvers.Clarabel"},
        "sigma": 25,
    }
    state = {"training": {"best_weights": Constant(initial_lam=0.1).state_dict(), "best_epoch": 1}}
    CheckpointStore(tmp_path / "run", "0", config).save(state)
    small = save(tmp_path / "small.png", noisy(GRAY[:20, :20]))
    large = save(tmp_path / "large.png", np.zeros((3000, 3000), np.uint8))
    assert main([str(tmp_path / "run"), str(small), "--solver", "taut_string"]) == 2
    assert "exact cannot take isotropic" in capsys.readouterr().err
    assert main([str(tmp_path / "run"), str(small), "--output", str(tmp_path / "batched")]) == 0
    assert main([str(tmp_path / "run"), str(small), str(large), "--solver", "own"]) == 1
    shown = capsys.readouterr()
    assert "which was cut off" in shown.out
    assert "GiB" in shown.err
    assert psnr(tmp_path / "small-denoised.png", GRAY[:20, :20]) > psnr(small, GRAY[:20, :20]) + 2


@pytest.mark.parametrize("model", ["gray-small"])
def test_pixels_that_nobody_sees_change_nothing(
    main: Main, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, columns = np.mgrid[:80, :80] - 39.5
    alpha = (255 * (np.hypot(rows, columns) < 36)).astype(np.uint8)
    visible, picture = alpha > 0, noisy(COLOUR[:, :80])
    clean = save(tmp_path / "clean.png", COLOUR[:, :80])
    hidden = {
        "lime": np.broadcast_to([0, 255, 0], picture.shape),
        "black": np.zeros_like(picture),
        "noise": np.random.default_rng(1).integers(0, 256, picture.shape),
    }
    answers, words = [], []
    for name, colours in hidden.items():
        pixels = np.where(visible[..., None], picture, colours).astype(np.uint8)
        path = save(tmp_path / f"{name}.png", np.dstack([pixels, alpha]))
        assert main(["--model", model, str(path), "--clean", str(clean)]) == 0
        shown = capsys.readouterr()
        remarks = shown.err.replace(str(path), "")  # of clipped pixels
        words.append(
            (shown.out.split("estimated")[1].split(";")[0], shown.out.split("PSNR")[1].split("dB")[0], remarks)
        )
        found = read_image(tmp_path / f"{name}-denoised.png")
        np.testing.assert_array_equal(found.channels[:, ~visible], np.moveaxis(pixels, -1, 0)[:, ~visible])
        answers.append(found.channels[:, visible])
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])
    assert len(set(words)) == 1, words
    assert float(words[0][1].split("->")[1]) > float(words[0][1].split("->")[0]) + 5


def test_a_gray_picture_over_a_hidden_colour_is_gray_and_its_depth_is_that_of_what_is_seen(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gray = np.repeat(noisy(SMALL_GRAY)[..., None] // 8, 3, axis=-1)
    alpha = np.full(gray.shape[:2], 255, np.uint8)
    gray[:10, :12], alpha[:10, :12] = [255, 0, 255], 0
    path = save(tmp_path / "icon.png", np.dstack([gray, alpha]))
    assert main(["--model", "gray-small", str(path), "--sigma", "5"]) == 0
    assert "its largest value is " in capsys.readouterr().err
    found = read_image(tmp_path / "icon-denoised.png").channels
    np.testing.assert_array_equal(found[0][alpha > 0], found[1][alpha > 0])


def test_a_picture_of_nothing_is_said(main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "empty.png", np.zeros((20, 20, 4), np.uint8))
    assert main(["--model", "gray-small", str(path)]) == 1
    assert "all its pixels are transparent: there is nothing to denoise" in capsys.readouterr().err
