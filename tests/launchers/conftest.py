from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.launchers.slurm_cluster import UnavailableError, slurm_cluster
from tests.launchers.sweeps import KILLED, STOPPED, ended, metrics, rates, start


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[float, dict[str, float]]:
    """What each run finds in a process of its own, undisturbed; by learning rate."""
    root = tmp_path_factory.mktemp("alone")
    started = {rate: start(rates(rate), f"hydra.run.dir={root / str(rate)}") for rate in (KILLED, STOPPED)}
    for process in started.values():
        code, shown = ended(process)
        assert code == 0, shown
    return {rate: metrics(root / str(rate)) for rate in started}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Mapping[str, str]]:
    """The environment variables of the clients of a SLURM cluster of one node."""
    try:
        with slurm_cluster() as environment:
            yield environment
    except UnavailableError as error:
        pytest.skip(f"no SLURM: {error}")


@pytest.fixture(scope="module")
def sweep_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sweep")
