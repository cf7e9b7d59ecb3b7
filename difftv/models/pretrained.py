"""The models that the package brings, by name. Their cards are read without torch."""

from pathlib import Path

from difftv.errors import ConfigError
from difftv.models.card import Card
from difftv.models.file import SUFFIX, read_card

SHIPPED = Path(__file__).with_name("shipped")
"""Directory of the model files."""

DEFAULT, DEFAULT_OF_COLOUR = "gray", "colour"
"""What `difftv-denoise` takes where no model is named: for gray images, and for RGB images that have a colour."""


def list_pretrained() -> dict[str, Card]:
    """The shipped models: name -> card.

        for card in difftv.list_pretrained().values():
            print(card)                      # name, predictor, regularizer, noise levels, PSNR: in one line

    Raises:
        CheckpointError: a file of the installation is damaged.
    """
    return {name: read_card(path) for name, path in shipped_files().items()}


def shipped_files() -> dict[str, Path]:
    """Name -> model file, in the order of the names."""
    return dict(sorted((path.stem, path) for path in SHIPPED.glob(f"*{SUFFIX}")))


def shipped_file(name: str) -> Path:
    """The file of a shipped model.

    Raises:
        ConfigError: (a ValueError) no model of that name is shipped; the message lists those that are.
    """
    files = shipped_files()
    if not isinstance(name, str) or name not in files:
        raise ConfigError(f"No model named {name!r} is shipped. {shipped_names()}")
    return files[name]


def shipped_names() -> str:
    """The names in a sentence."""
    names = ", ".join(shipped_files())
    return f"Shipped models: {names}." if names else "This installation of difftv brings no models."
