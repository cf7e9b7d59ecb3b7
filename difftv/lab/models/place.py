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


def named_models(words: str) -> tuple[str, ...]:
    """The words of several models that are joined by "+", as gray+gray-small; one that is there by itself is one."""
    alone = words in shipped_files() or Path(words).exists()
    return (words,) if alone else tuple(words.split("+"))


def model_content(word: str) -> str:
    """A hash of the file that holds the weights: a model that was trained again is another model of the same name.

    Of several models (`named_models`) the hashes joined by "+".

    Raises:
        ConfigError: there is nothing of that name, or it cannot be read.
    """
    if len(several := named_models(word)) > 1:
        return "+".join(map(model_content, several))
    path = find_model(word)
    file = path / CHECKPOINT if path.is_dir() else path
    try:
        return sha256_of(file)
    except OSError as error:
        raise ConfigError(f"{word}: {file} cannot be read: {error.strerror}.") from error
