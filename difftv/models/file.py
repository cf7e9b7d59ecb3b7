"""A model in one file, NAME.safetensors: weights in float32, and in the header one JSON text with its card.

    header["__metadata__"]["difftv"] = {"format": 1, "card": {...}, "sha256": {"card": ..., "weights": ...}}

The file is untrusted. The format holds tensors and text, and nothing in it can run code; header and file are bounded
in size before they are read; the card is checked entry by entry (`difftv.models.card`), classes are named
(`difftv.models.parts`). The format itself has no checksum: the two here tell a damaged file from a whole one, they do
not tell who wrote it.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from difftv.errors import CheckpointError
from difftv.files import write_atomically
from difftv.models.card import Card

if TYPE_CHECKING:  # cards are read without torch
    from torch import Tensor

    from difftv.models.stored import StoredModel

FORMAT = 1
"""Raised whenever an older reader would misunderstand a newer file."""

SUFFIX = ".safetensors"
KEY = "difftv"

LENGTH_BYTES = 8
"""The header's length, at the head of the file, little-endian."""

LARGEST_HEADER = 2**20
LARGEST_FILE = 2**28
"""Bytes: the header of our largest network takes some ten thousand, its weights some millions."""


def write_file(path: Path, weights: Mapping[str, "Tensor"], card: Card) -> None:
    """Write a model file in one step.

    Raises:
        CheckpointError: the weights are not finite float32 numbers.
        OSError: the file could not be written.
    """
    import safetensors.torch

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    _check_weights(plain, path)
    content = {
        "format": FORMAT,
        "card": card.plain(),
        "sha256": {"card": _card_digest(card.plain()), "weights": weights_digest(plain)},
    }
    write_atomically(path, safetensors.torch.save(plain, {KEY: json.dumps(content, allow_nan=False)}))


def read_card(path: Path | str) -> Card:
    """The card of a model file; its weights are not read.

    Raises:
        CheckpointError: there is no such file, it is no model file, of another format, or its card is damaged.
    """
    path = Path(path)
    with _opened(path) as file:
        return _card(_header(file, path), path)[0]


def read_file(path: Path | str) -> "StoredModel":
    """The model in a file.

    Raises:
        CheckpointError: as for `read_card`; or the weights are damaged.
    """
    import safetensors.torch

    from difftv.models.stored import StoredModel

    path = Path(path)
    with _opened(path) as file:
        header = _header(file, path)
        file.seek(0)
        content = file.read(LARGEST_FILE + 1)
    card, digest = _card(header, path)
    try:
        weights = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        _damaged(path, str(error))
    _check_weights(weights, path)
    if weights_digest(weights) != digest:
        _damaged(path, "the checksum of its weights is another one")
    return StoredModel(
        path=path,
        name=card.name,
        config=card.config,
        weights=weights,
        best_epoch=card.training.best_epoch,
        finished=True,
        scalars=card.training.scalars,
    )


def weights_digest(weights: Mapping[str, "Tensor"]) -> str:
    """SHA-256 of weights on the CPU, with their names and shapes; their order in memory does not enter."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        values = weights[name].detach().contiguous().numpy()
        digest.update(f"{name} {values.dtype.str} {list(values.shape)}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _card_digest(plain: Any) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _opened(path: Path) -> Any:
    """The file, open for reading, not larger than it may be."""
    if not path.is_file():
        raise CheckpointError(f"There is no model file {path}.")
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise CheckpointError(f"{path} has {size:,} bytes; a model file has {LARGEST_FILE:,} at most.")
        return path.open("rb")
    except OSError as error:
        raise CheckpointError(f"The model file {path} cannot be read ({error.strerror}).") from error


def _header(file: Any, path: Path) -> Mapping[str, Any]:
    """The JSON object at the head of a safetensors file."""
    try:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        text = file.read(length) if 2 <= length <= LARGEST_HEADER else b""
        header = json.loads(text) if len(text) == length else None
    except OSError as error:
        raise CheckpointError(f"The model file {path} cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, Mapping):
        raise CheckpointError(
            f"{path} is no model file: it does not begin as a safetensors file does, or is cut off there. Model files "
            "are made by experiments/export.py; a run is given as its directory."
        )
    return header


def _card(header: Mapping[str, Any], path: Path) -> tuple[Card, str]:
    """The card in a header, and the checksum that the weights must have."""
    metadata = header.get("__metadata__")
    text = metadata.get(KEY) if isinstance(metadata, Mapping) else None
    if not isinstance(text, str):
        raise CheckpointError(f"{path} is a safetensors file of something else: it holds no card of difftv.")
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        _damaged(path, f"its card is no JSON: {str(error)[:200]}")
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, Mapping) else None
        raise CheckpointError(
            f"{path} is of format {str(found)[:40]}; this version of difftv reads format {FORMAT}. Install the version "
            "that it was made for, or export it again."
        )
    digests = content.get("sha256")
    if not isinstance(digests, Mapping) or set(content) != {"format", "card", "sha256"}:
        _damaged(path, "its checksums are missing")
    try:
        if _card_digest(content["card"]) != digests.get("card"):
            _damaged(path, "the checksum of its card is another one")
        return Card.of(content["card"]), str(digests.get("weights"))
    except (ValueError, RecursionError) as error:
        _damaged(path, str(error))


def _check_weights(weights: Mapping[str, "Tensor"], path: Path) -> None:
    import torch

    for name, tensor in weights.items():
        if tensor.dtype != torch.float32:
            raise CheckpointError(f"{path}: weights are float32, {name} is {tensor.dtype}.")
        if not bool(tensor.isfinite().all()):
            raise CheckpointError(f"{path}: {name} holds weights that are not finite.")


def _damaged(path: Path, reason: str) -> NoReturn:
    raise CheckpointError(f"The model file {path} is damaged: {reason}.")


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")
