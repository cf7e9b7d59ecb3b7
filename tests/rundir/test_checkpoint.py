import os
import pickle
import random
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from difftv.errors import CheckpointError
from difftv.lab.rundir.checkpoint import CheckpointStore, random_state, read_checkpoint, restore_random_state


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path, "abc", {"sigma": 25})


def state(step: int) -> dict:
    return {"step": step, "weights": torch.full((1000,), float(step)), "history": [{"psnr": 28.5}]}


def test_what_is_saved_comes_back_with_its_configuration(store: CheckpointStore) -> None:
    assert store.load() is None
    store.save(state(1))
    loaded = store.load()
    assert loaded is not None
    assert loaded["step"] == 1
    assert torch.equal(loaded["weights"], state(1)["weights"])
    assert torch.load(store.path, weights_only=True)["config"] == {"sigma": 25}


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped byte", "of another kind"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    store: CheckpointStore, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.save(state(1))
    store.save(state(2))
    content = bytearray(store.path.read_bytes())
    match damage:
        case "truncated":
            content = content[: len(content) // 2]
        case "empty":
            content = bytearray()
        case "flipped byte":
            content[content.find(torch.tensor(2.0).numpy().tobytes() * 8)] ^= 0xFF
        case "of another kind":
            content = bytearray(b"not a checkpoint at all")
    store.path.write_bytes(content)
    loaded = store.load()
    assert loaded is not None
    assert loaded["step"] == 1
    assert "continuing from the one before it" in caplog.text


def test_a_damaged_checkpoint_never_takes_the_place_of_the_good_one(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(state(1))
    store.save(state(2))
    store.path.write_bytes(b"damaged")
    assert store.load()["step"] == 1

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("difftv.lab.rundir.checkpoint.write_atomically", full)
    with pytest.raises(CheckpointError, match="The checkpoint from before is intact"):
        store.save(state(3))
    assert store.load()["step"] == 1


def test_file_systems_without_hard_links_will_do(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: Path, target: Path) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    for step in (1, 2, 3):
        store.save(state(step))
    assert store.load()["step"] == 3
    assert read_checkpoint(store.previous)["step"] == 2


def test_saving_after_a_failed_save_leaves_nothing_behind(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(state(1))
    with monkeypatch.context() as patch:
        patch.setattr(
            "difftv.lab.rundir.checkpoint.write_atomically", lambda *_: (_ for _ in ()).throw(OSError("full"))
        )
        with pytest.raises(CheckpointError):
            store.save(state(2))
    store.save(state(3))
    assert sorted(path.name for path in store.path.parent.iterdir()) == ["checkpoint.previous.pt", "checkpoint.pt"]


def test_when_both_are_damaged_nothing_is_made_up(store: CheckpointStore) -> None:
    store.save(state(1))
    store.save(state(2))
    for path in (store.path, store.previous):
        path.write_bytes(b"x")
    with pytest.raises(CheckpointError, match="Move the file"):
        store.load()


def test_a_checkpoint_of_another_run_is_refused(store: CheckpointStore) -> None:
    store.save(state(1))
    with pytest.raises(CheckpointError, match="belongs to another run"):
        CheckpointStore(store.path.parent, "other").load()


def test_loading_runs_no_code(store: CheckpointStore, tmp_path: Path) -> None:
    marker = tmp_path / "code-ran"

    class Bomb:
        def __reduce__(self):
            return (os.system, (f"touch {marker}",))

    torch.save({"format": 1, "identity": "abc", "state": {"x": Bomb()}}, store.path)
    with pytest.raises(CheckpointError):
        store.load()
    store.path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError):
        store.load()
    assert not marker.exists()


def test_a_full_disk_leaves_the_checkpoint_from_before(store: CheckpointStore) -> None:
    """A limit on the size of files stands in for the full disk: the write fails half-way, as there."""
    store.save(state(1))
    script = textwrap.dedent(f"""
        import resource, signal, torch
        from pathlib import Path
        from difftv.lab.rundir.checkpoint import CheckpointStore
        from difftv.errors import CheckpointError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        store = CheckpointStore(Path({str(store.path.parent)!r}), "abc")
        try:
            store.save({{"step": 2, "weights": torch.zeros(100_000)}})
        except CheckpointError as error:
            print(error)
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "could not be written" in done.stdout
    assert "free some space and run the same command again" in done.stdout
    loaded = store.load()
    assert loaded is not None
    assert loaded["step"] == 1
    assert sorted(path.name for path in store.path.parent.iterdir()) == ["checkpoint.previous.pt", "checkpoint.pt"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 20_000


def test_every_random_state_is_restored() -> None:
    before = random_state()
    try:
        drawn = (random.random(), np.random.rand(), torch.rand(3))  # noqa: NPY002
        restore_random_state(before)
        again = (random.random(), np.random.rand(), torch.rand(3))  # noqa: NPY002
        assert drawn[:2] == again[:2]
        assert torch.equal(drawn[2], again[2])
    finally:
        restore_random_state(before)


def test_a_random_state_survives_the_file(store: CheckpointStore) -> None:
    before = random_state()
    store.save({"random": before})
    drawn = torch.rand(3)
    restore_random_state(read_checkpoint(store.path)["random"])
    assert torch.equal(torch.rand(3), drawn)
    restore_random_state(before)
