"""A stored model by its place: the directory of a run, or a model file."""

from pathlib import Path

from difftv.errors import CheckpointError, ConfigError
from difftv.lab.models.run import read_run
from difftv.lab.rundir.layout import CHECKPOINT, PREVIOUS_CHECKPOINT
from difftv.models.file import SUFFIX, read_file
from difftv.models.stored import StoredModel


def read_model(path: Path | str) -> StoredModel:
    """What is stored in the directory of a run or in a model file.

    Raises:
        CheckpointError: neither is there, or it cannot be used.
    """
    path = Path(path)
    if path.name in (CHECKPOINT, PREVIOUS_CHECKPOINT):
        raise CheckpointError(f"{path} is a part of a run: give its directory, {path.parent}.")
    return read_file(path) if path.is_file() or path.suffix == SUFFIX else read_run(path)


def read_gray_model(path: Path | str) -> StoredModel:
    """The same for what is compared on gray images.

    Raises:
        CheckpointError: as `read_model`.
        ConfigError: it is a model of colour images.
    """
    stored = read_model(path)
    if stored.regularizer().channels > 1:
        raise ConfigError(f"{path} is a model of colour images, and gray ones are compared here. Leave it out.")
    return stored
