"""Where the model is that a user names, and what it holds, as one word. Free of torch: runs are planned fast."""

from pathlib import Path

from difftv.errors import ConfigError
from difftv.files import sha256_of
from difftv.lab.rundir.layout import CHECKPOINT
from difftv.models.pretrained import shipped_file, shipped_files, shipped_names


def find_model(word: str) -> Path:
    """The place of a model that a user names: the name of a shipped one, a model file, or the directory of a run.

    A shipped name goes before a file of that name, which is written ./gray.

    Raises:
        ConfigError: there is nothing of that name.
    """
    if word in shipped_files():
        return shipped_file(word)
    path = Path(word)
    if not path.exists():
        raise ConfigError(f"{word!r} is neither the name of a shipped model nor a file. {shipped_names()}")
    return path


def model_content(word: str) -> str:
    """A hash of the file that holds the weights: a model that was trained again is another model of the same name.

    Raises:
        ConfigError: there is nothing of that name, or it cannot be read.
    """
    path = find_model(word)
    file = path / CHECKPOINT if path.is_dir() else path
    try:
        return sha256_of(file)
    except OSError as error:
        raise ConfigError(f"{word}: {file} cannot be read: {error.strerror}.") from error
