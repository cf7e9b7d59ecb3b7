"""W&B in a place of its own: no account, no network, an empty home, and nothing left outside the run's directory."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib.font_manager  # noqa: F401  writes its cache on first import, which must not be in the private home
import pytest


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for runs. At the end, the home and the current directory of the test must be as empty as before."""
    home, here, runs = (tmp_path / name for name in ("home", "here", "runs"))
    for directory in (home, here, runs):
        directory.mkdir()
    for name in ("API_KEY", "MODE", "BASE_URL", "PROJECT", "ENTITY", "CACHE_DIR", "DATA_DIR", "DIR", "RESUME"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(home / "config"))
    monkeypatch.setenv("WANDB_HTTP_TIMEOUT", "2")  # seconds to wait for a server that does not answer
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.chdir(here)
    forget_session()
    yield runs
    forget_session()
    assert [path for directory in (home, here) for path in directory.rglob("*")] == []


def forget_session() -> None:
    """End the background process and drop what W&B remembers of settings and logins in this process."""
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()
        # Without this, the login of one test is good for the next one.
        importlib.import_module("wandb.sdk.lib.wbauth").unauthenticate_session(update_settings=False)
