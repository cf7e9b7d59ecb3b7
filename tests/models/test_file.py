"""A model file gives back the model, bit for bit, or says what is wrong with it; nothing in it can run code."""

import dataclasses
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from difftv.denoiser import Denoiser
from difftv.errors import CheckpointError, ConfigError
from difftv.models import file as module
from difftv.models.file import read_card, read_file, write_file
from difftv.predictors import BY_NAME as PREDICTORS
from difftv.regularizers import BY_NAME as REGULARIZERS
from tests.models.made import card_of, config, make_file, trained

Change = Callable[[dict[str, Any]], object]


def draw(height: int = 20, width: int = 17) -> torch.Tensor:
    return torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_file(tmp_path / "testing.safetensors", config())


def parts_of(path: Path) -> tuple[dict[str, Any], bytes]:
    """Header and tensors of a safetensors file."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def write_parts(path: Path, header: dict[str, Any], tensors: bytes) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + tensors)


def rewrite(path: Path, change: Change, *, honest: bool = True) -> None:
    """Change what the header says of the model; honest: with a checksum that fits."""
    header, tensors = parts_of(path)
    content = json.loads(header["__metadata__"]["difftv"])
    change(content)
    if honest and isinstance(content.get("sha256"), dict):
        content["sha256"]["card"] = module._card_digest(content["card"])
    header["__metadata__"]["difftv"] = json.dumps(content)
    write_parts(path, header, tensors)


@pytest.mark.parametrize("sigma", [25, [5, 55]], ids=str)
@pytest.mark.parametrize("name", PREDICTORS)
def test_every_predictor_comes_back_to_the_bit(name: str, sigma: Any, tmp_path: Path) -> None:
    written = config(name, sigma=sigma)
    path = make_file(tmp_path / "testing.safetensors", written)
    stored = read_file(path)
    predictor = stored.predictor()
    given = {} if sigma == 25 else {"sigma": 20.0}
    noisy = draw() if predictor.axes == 2 else draw()[:, :, None].expand(-1, -1, 3, -1, -1)
    assert torch.equal(predictor(noisy, **given), trained(written).eval()(noisy, **given))
    assert not predictor.training
    assert (stored.name, stored.best_epoch, stored.finished, stored.scalars) == ("testing", 4, True, {"lam": 0.05})
    assert stored.sigma_range == ((25, 25) if sigma == 25 else (5, 55))


@pytest.mark.parametrize("name", REGULARIZERS)
def test_every_regularizer_comes_back(name: str, tmp_path: Path) -> None:
    written = config("constant", name)
    denoiser = Denoiser.load(make_file(tmp_path / "testing.safetensors", written))
    assert denoiser.solver.regularizer.name == name
    assert torch.equal(denoiser.predictor(draw()), trained(written)(draw()))


def test_a_solver_can_be_given(model: Path) -> None:
    from difftv import Admm, AnisotropicTV, IsotropicTV

    solver = Admm(AnisotropicTV())
    assert Denoiser.load(model, solver).solver is solver
    assert read_file(model).own_solver().name == "exact"
    with pytest.raises(ConfigError, match="was trained with AnisotropicTV"):
        Denoiser.load(model, Admm(IsotropicTV()))


def test_the_card_comes_back(model: Path) -> None:
    assert read_card(model) == read_card(str(model)) == card_of(config())
    assert "Set12 29.50 dB at sigma 25" in str(read_card(model))
    assert repr(read_card(model)) == f"<{read_card(model)}>"


def test_a_card_without_numbers_is_read_and_says_so(tmp_path: Path) -> None:
    card = dataclasses.replace(card_of(config()), numbers=())
    write_file(tmp_path / "bare.safetensors", trained(config()).state_dict(), card)
    assert read_card(tmp_path / "bare.safetensors") == card
    assert str(card).endswith("nothing was measured")
    assert read_file(tmp_path / "bare.safetensors").predictor().num_maps == 1


def test_the_same_model_gives_the_same_file(model: Path, tmp_path: Path) -> None:
    assert make_file(tmp_path / "again" / "testing.safetensors", config()).read_bytes() == model.read_bytes()


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9, 1.0])
def test_one_wrong_bit_anywhere_is_noticed(place: float, model: Path) -> None:
    before = model.read_bytes()
    index = int(place * (len(before) - 1))
    model.write_bytes(before[:index] + bytes([before[index] ^ 4]) + before[index + 1 :])
    with pytest.raises(CheckpointError):
        read_file(model).predictor()


def test_every_byte_of_the_header_matters(model: Path) -> None:
    """No flip of a bit in the header gives another model without a word."""
    before = model.read_bytes()
    (length,) = struct.unpack("<Q", before[:8])
    expected = trained(config()).state_dict()
    noticed = 0
    for index in range(0, 8 + length, 7):
        model.write_bytes(before[:index] + bytes([before[index] ^ 1]) + before[index + 1 :])
        try:
            stored = read_file(model)
        except CheckpointError:
            noticed += 1
            continue
        # White space of JSON, or a name of an entry that is read by nobody.
        assert stored.config == card_of(config()).plain()["config"]
        assert all(torch.equal(stored.weights[name], value) for name, value in expected.items())
    assert noticed > 50


@pytest.mark.parametrize("share", [0, 4, 8, 300, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(share: float, model: Path) -> None:
    content = model.read_bytes()
    model.write_bytes(content[: share if isinstance(share, int) else int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"cut off|damaged"):
        read_file(model)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no model file"),
        (b"nonsense, and more of it than eight bytes", "is no model file"),
        (struct.pack("<Q", 2**60) + b"{}", "is no model file"),
        (struct.pack("<Q", 2**20) + b"{}", "is no model file"),
        (struct.pack("<Q", 4) + b"null", "is no model file"),
        (struct.pack("<Q", 40_000) + b"[" * 40_000, "is no model file"),
        (struct.pack("<Q", 2) + b"{}", "something else"),
        (safetensors.torch.save({"weight": torch.zeros(3)}, {"format": "pt"}), "something else"),
    ],
)
def test_what_is_not_ours_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "other.safetensors").write_bytes(content)
    for read in (read_card, read_file, Denoiser.load):
        with pytest.raises(CheckpointError, match=message):
            read(tmp_path / "other.safetensors")


def test_what_is_not_there_is_named(tmp_path: Path, model: Path) -> None:
    with pytest.raises(CheckpointError, match="no model file"):
        read_card(tmp_path / "nowhere.safetensors")
    with pytest.raises(CheckpointError, match="no model file"):
        read_card(tmp_path)
    with pytest.raises(CheckpointError, match=r"no model file .*nowhere\.safetensors"):
        Denoiser.load(tmp_path / "nowhere.safetensors")
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(CheckpointError, match=f"give its directory, {tmp_path}"):
        Denoiser.load(tmp_path / "checkpoint.pt")


def test_a_large_file_is_refused_unread(tmp_path: Path, model: Path) -> None:
    with model.open("r+b") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(CheckpointError, match="268,435,456 at most"):
        read_card(model)


@pytest.mark.parametrize("found", [0, 2, "1", None, "\x1b[2J" * 30])
def test_another_format_is_named(found: Any, model: Path) -> None:
    rewrite(model, lambda content: content.update(format=found))
    with pytest.raises(CheckpointError, match=r"reads format 1\. Install the version") as raised:
        read_file(model)
    assert len(str(raised.value)) < 400


def test_a_card_that_was_changed_is_noticed(model: Path) -> None:
    rewrite(model, lambda content: content["card"].update(name="better"), honest=False)
    with pytest.raises(CheckpointError, match="checksum of its card"):
        read_card(model)


def test_weights_that_were_changed_are_noticed(model: Path) -> None:
    header, tensors = parts_of(model)
    write_parts(model, header, tensors[:-1] + bytes([tensors[-1] ^ 1]))
    read_card(model)
    with pytest.raises(CheckpointError, match="checksum of its weights"):
        read_file(model)


BAD_CARDS: dict[str, Change] = {
    "lacks training": lambda card: card.pop("training"),
    "not known here: 'hook'": lambda card: card.update(hook="os.system"),
    "must be an object, got a list": lambda card: card.update(training=[]),
    "card.training.images must be printable text": lambda card: card["training"].update(images=3),
    "card.protocol must be printable text": lambda card: card.update(protocol="\x1b[2J\x1b[H"),
    "card.training.terms must be printable text": lambda card: card["training"].update(terms="x" * 5000),
    "card.training.seed must be an integer": lambda card: card["training"].update(seed=-1),
    "card.name must be small letters": lambda card: card.update(name="../gray"),
    "card.numbers must be a list of at most 1000": lambda card: card.update(numbers=card["numbers"] * 1001),
    "card.ensemble must be a list of at most 1000": lambda card: card.update(ensemble={}),
    "card.ensemble[0] lacks images": lambda card: card.update(ensemble=[{}]),
    "metrics.psnr must be a finite number": lambda card: card["numbers"][0]["metrics"].update(psnr="29"),
    "crop must be top, left": lambda card: card["reference"].update(crop=[1, 2]),
    "converged must be true or false": lambda card: card["reference"].update(converged=1),
    "card.config.sigma: sigma must be a range": lambda card: card["config"].update(sigma=[55, 5]),
    "card.config lacks regularizer": lambda card: card["config"].pop("regularizer"),
    "card.config.predictor.hook must be a finite number": lambda card: card["config"]["predictor"].update(hook={}),
    "card.config.predictor.name must be printable": lambda card: card["config"]["predictor"].pop("name"),
    "card.config.predictor.axes must be 1 (signals)": lambda card: card["config"]["predictor"].update(axes=[2]),
    "card.config.predictor must be an object": lambda card: card["config"].update(predictor="cnn"),
}


@pytest.mark.parametrize("message", BAD_CARDS)
def test_every_entry_of_a_card_is_checked(message: str, model: Path) -> None:
    rewrite(model, lambda content: BAD_CARDS[message](content["card"]))
    for read in (read_card, read_file):
        with pytest.raises(CheckpointError, match="is damaged") as raised:
            read(model)
        assert message in str(raised.value)


@pytest.mark.parametrize("name", ["os.system", "difftv.predictors.Cnn", "__class__", "Cnn", ""])
@pytest.mark.parametrize("group", ["predictor", "regularizer", "solver"])
def test_nothing_but_a_name_on_the_list_is_constructed(group: str, name: str, model: Path) -> None:
    rewrite(model, lambda content: content["card"]["config"][group].update(name=name))
    stored = read_file(model)
    with pytest.raises(ConfigError, match="not to be trusted"):
        {"predictor": stored.predictor, "regularizer": stored.regularizer, "solver": stored.own_solver}[group]()


def test_an_argument_that_does_not_fit_is_named(model: Path) -> None:
    rewrite(model, lambda content: content["card"]["config"]["predictor"].update(hooks=True))
    stored = read_file(model)
    with pytest.raises(ConfigError, match="unexpected keyword argument 'hooks'"):
        stored.predictor()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "testing.safetensors"
    write_file(path, trained(config("dncnn")).state_dict(), card_of(config("cnn")))
    with pytest.raises(CheckpointError, match="do not fit its Cnn"):
        read_file(path).predictor()


@pytest.mark.parametrize("value", [torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.int64)], ids=str)
def test_only_single_precision_is_written_and_read(value: torch.Tensor, tmp_path: Path) -> None:
    path = tmp_path / "testing.safetensors"
    with pytest.raises(CheckpointError, match="weights are float32, raw is torch"):
        write_file(path, {"raw": value}, card_of(config()))
    assert not path.exists()
    header = {"format": 1, "card": card_of(config()).plain(), "sha256": {"card": "", "weights": ""}}
    header["sha256"]["card"] = module._card_digest(header["card"])
    path.write_bytes(safetensors.torch.save({"raw": value}, {"difftv": json.dumps(header)}))
    with pytest.raises(CheckpointError, match="weights are float32, raw is torch"):
        read_file(path)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    weights = trained(config("constant")).state_dict()
    weights["raw"].fill_(torch.nan)
    with pytest.raises(CheckpointError, match="raw holds weights that are not finite"):
        write_file(tmp_path / "testing.safetensors", weights, card_of(config("constant")))
