"""What every test shares: the configuration tree, real images where they are, and quiet, small, private places."""

import functools
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch
from hydra import compose, initialize_config_dir
from hypothesis import settings
from omegaconf import DictConfig

from difftv.lab.runs.plan import register_resolvers
from tests.typechecking import check_all_again

pytest_plugins = ["tests.photographs", "tests.tracking.places"]

PROJECT = Path(__file__).resolve().parent.parent
CONF = PROJECT / "conf"

with warnings.catch_warnings():
    # diffcp 1.1.9 has an unescaped backslash in a docstring, which the compiler reports where no bytecode is cached.
    warnings.simplefilter("ignore")
    import diffcp  # noqa: F401

if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    # Threads that wait for each other's cores made tests of small images a hundred times slower.
    THREADS = max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    torch.set_num_threads(THREADS)
    os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))  # for the commands that tests start

# The time of one example says nothing on a busy machine; the draws are the same in every run.
settings.register_profile("difftv", deadline=None, derandomize=True)
settings.load_profile("difftv")


def options_of(group: str) -> list[str]:
    """Every option of a configuration group, read from the disk: a variant that no test runs cannot exist."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml") if not path.stem.startswith("_"))


@functools.cache
def composed(*overrides: str) -> DictConfig:
    """The configuration that a command line with these overrides would give; to be read, not changed."""
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides), return_hydra_config=True)


@pytest.fixture(scope="session")
def image_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of decoded images for the whole session, never the user's own."""
    return tmp_path_factory.mktemp("image-cache")


@pytest.fixture(autouse=True)
def _private_places(monkeypatch: pytest.MonkeyPatch, image_cache: Path) -> None:
    monkeypatch.setenv("DIFFTV_CACHE_DIR", str(image_cache))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Real images that are not part of the project; the test is skipped where they are absent."""
    root = Path(os.environ.get("DIFFTV_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"no test images at {root}; set DIFFTV_TEST_DATA")
    return root


@pytest.fixture(autouse=True)
def _types_are_checked() -> None:
    check_all_again()


@pytest.fixture
def jaxtyping_off() -> Iterator[None]:
    """Let wrong shapes through to our own checks, which are what a user meets."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)
