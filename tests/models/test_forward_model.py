"""A model that was trained behind a forward operator: its card says what measured, and it takes measurements alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from difftv.denoiser import Denoiser
from difftv.errors import CheckpointError, ConfigError
from difftv.lab.cli.denoise import main as denoise
from difftv.lab.cli.evaluate import main as evaluate
from difftv.lab.cli.export import main as export
from difftv.lab.forward import BY_NAME, Mri, forward_model
from difftv.lab.runs.build import build
from difftv.lab.runs.plan import PlannedRun
from difftv.models.card import Card
from difftv.models.file import read_card, read_file
from difftv.reconstructor import Reconstructor
from difftv.solvers import Admm
from tests.conftest import CONF, composed
from tests.models.made import card_of, config, make_file, make_run

MRI = {"_target_": "difftv.lab.forward.Mri", "acceleration": 2.0, "centre": 0.16}
SIGMA = 0.51


def behind(**more: object) -> dict[str, object]:
    return {
        **config("constant", "filters", sigma=SIGMA),
        "solver": {"name": "admm", "tol": 1e-4},
        "forward": MRI,
        **more,
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def slices(place: Path) -> Path:
    """Two measured files, of which the middle is scored."""
    folder = place / "knees"
    folder.mkdir()
    for index in range(2):
        clean = torch.rand(1, 1, 24, 20, generator=torch.Generator().manual_seed(index))
        _, found = Mri(2, 0.16).corrupt(clean, SIGMA, operator_seed=index, noise_seed=index)
        assert found is not None
        np.savez(
            folder / f"{index}.npz",
            measurements=found.data[0].numpy(),
            mask=found.operator.mask[0, 0].numpy(),
            clean=clean[0, 0].numpy(),
            crop=np.array([4, 2, 16, 16]),
        )
    return folder


@pytest.fixture(scope="module")
def exported(slices: Path, place: Path) -> Path:
    run = make_run(place / "run", behind())
    assert evaluate([str(run), str(slices), "--tol", "1e-4"]) == 0
    assert export([str(run), "mine", "--output", str(place), "--images", "phantoms", "--terms", "none"]) == 0
    return place / "mine.safetensors"


def test_the_card_says_what_measured_and_how_well(exported: Path) -> None:
    card = read_card(exported)
    assert card.config["forward"] == {"name": "mri", "acceleration": 2.0, "centre": 0.16}
    assert card.forward == "mri (acceleration 2.0, centre 0.16)"
    (row,) = card.numbers
    assert (row.set, row.images, row.sigma, row.solver) == ("knees", 2, None, "admm")
    found = json.loads((exported.parent / "run" / "evaluation-knees.json").read_text())
    assert row.metrics == found["metrics"]
    assert {"psnr", "noisy/psnr"} <= set(row.metrics)
    assert list(row.per_image) == ["0", "1"]
    assert sum(row.per_image.values()) / 2 == pytest.approx(row.metrics["psnr"])
    assert "measurements as they are in the files" in card.protocol
    assert f"knees {row.metrics['psnr']:.2f} dB" in str(card)
    assert "reconstructs behind mri" in str(card)
    page = exported.with_suffix(".md").read_text()
    assert "Reconstructor.load" in page
    assert "difftv-denoise" not in page
    assert "as measured" in page
    assert read_file(exported).explicit_config() == card.config


def test_the_file_is_the_run(exported: Path) -> None:
    _, found = Mri(2).corrupt(torch.rand(1, 1, 18, 16), SIGMA, operator_seed=0, noise_seed=0)
    run, file = (Reconstructor.load(place) for place in (exported.parent / "run", exported))
    first, second = (one(found.data, found.operator) for one in (run, file))
    assert torch.equal(first.denoised, second.denoised)
    assert torch.equal(first.lam, second.lam)
    assert isinstance(file.solver, Admm)


def test_it_denoises_nothing(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in (exported, exported.parent / "run"):
        with pytest.raises(ConfigError, match=r"trained behind a forward operator \(mri\).*Reconstructor\.load"):
            Denoiser.load(place)
    assert denoise(["--model", str(exported), str(tmp_path / "photo.png")]) != 0
    assert "was trained behind a forward operator (mri) and sees no noisy images" in capsys.readouterr().err


def test_looks_are_stored_and_read(slices: Path, place: Path) -> None:
    run = make_run(place / "two", behind(method={"_target_": "difftv.Denoiser", "looks": 2}))
    assert export([str(run), "two", "--output", str(place), "--images", "a", "--terms", "b", "--without-numbers"]) == 0
    assert read_card(place / "two.safetensors").config["looks"] == 2
    assert [Reconstructor.load(where).looks for where in (run, place / "two.safetensors")] == [2, 2]
    assert evaluate([str(run), str(slices), "--tol", "1e-4"]) == 0


@pytest.mark.parametrize("looks", [0, 17, 1.0, True, "2"])
def test_looks_are_untrusted(looks: object, tmp_path: Path) -> None:
    plain = card_of(config("constant")).plain()
    with pytest.raises(ValueError, match="looks must be an integer"):
        Card.of({**plain, "config": {**plain["config"], "looks": looks}})
    run = make_run(tmp_path / "run", behind(method={"_target_": "difftv.Denoiser", "looks": looks}))
    with pytest.raises(ConfigError, match="looks must be an integer"):
        Reconstructor.load(run)


@pytest.mark.usefixtures("jaxtyping_off")
def test_a_run_that_denoises_does_not_compare_with_it(exported: Path) -> None:
    planned = PlannedRun.of(composed("data=sample", "tracker=none", f"evaluation.model={exported}"))
    with pytest.raises(ConfigError, match="Set forward=mri"):
        build(planned)


def test_a_file_without_forward_is_one_that_denoises(tmp_path: Path) -> None:
    card = read_card(make_file(tmp_path / "plain.safetensors", config("constant")))
    assert card.forward is None
    assert "forward" not in card.config
    assert read_file(tmp_path / "plain.safetensors").forward is None


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        ("mri", "forward must be an object"),
        ({"acceleration": 2}, "forward.name must be printable text"),
        ({"name": "mri\x1b[2J"}, "forward.name must be printable text"),
        ({"name": "mri", "mask": {"a": 1}}, "forward.mask must be a finite number"),
        ({"name": "mri", "acceleration": float("nan")}, "forward.acceleration must be a finite number"),
    ],
)
def test_the_entry_is_untrusted(forward: object, message: str) -> None:
    plain = card_of(config("constant")).plain()
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        Card.of({**plain, "config": {**plain["config"], "forward": forward}})


def test_a_forward_model_is_made_by_name_from_plain_values() -> None:
    assert set(BY_NAME) == {path.stem for path in (CONF / "forward").glob("*.yaml")}
    found = forward_model({"name": "mri", "acceleration": 4, "centre": 0.08})
    assert isinstance(found, Mri)
    assert (found.acceleration, found.centre) == (4, 0.08)
    for node, message in (({"name": "os.system"}, "expected one of"), ({"name": "mri", "size": 3}, "forward: ")):
        with pytest.raises(ConfigError, match=message):
            forward_model(node)


def test_a_damaged_entry_is_a_damaged_file(exported: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(exported.read_bytes().replace(b'\\"acceleration\\": 2.0', b'\\"acceleration\\": 3.0'))
    with pytest.raises(CheckpointError, match="checksum of its card"):
        read_card(damaged)
