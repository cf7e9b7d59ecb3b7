"""A sweep on a real Ray cluster: one run raises, one worker is killed; then the same command again."""

import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.launchers.ray_cluster import UnavailableError, ray_cluster
from tests.launchers.sweeps import (
    KILLED,
    RAISES,
    WHOLE,
    directories,
    disturb,
    ended,
    log_of,
    metrics,
    rates,
    results,
    run,
    start,
    statuses,
    table,
)

pytestmark = pytest.mark.slow

pytest.importorskip("ray", reason="the extra `ray` is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, Mapping[str, str]]]:
    try:
        with ray_cluster() as (address, variables):
            yield address, variables
    except UnavailableError as error:
        pytest.skip(str(error))


def test_one_that_dies_takes_no_other_with_it(
    cluster: tuple[str, Mapping[str, str]], alone: dict[float, dict[str, float]], tmp_path: Path
) -> None:
    address, variables = cluster
    # Relative, as the default is: Ray was started elsewhere.
    place = os.path.relpath(tmp_path, PROJECT)
    launcher = ["-m", "hydra/launcher=ray", f"hydra.launcher.address={address}"]
    command = [*launcher, rates(KILLED, WHOLE, RAISES), f"hydra.sweep.dir={place}"]
    process = start(*command, environment=variables)
    disturb(process, tmp_path, {KILLED: lambda status: os.kill(status["pid"], signal.SIGKILL)})
    code, shown = ended(process)
    assert code == 1
    assert f"lost: optimizer.lr={KILLED}" in shown
    assert "1 finished, 1 failed, 1 cut off" in shown
    first = results(tmp_path)
    assert first.keys() == {WHOLE}
    assert statuses(tmp_path)[RAISES]["state"] == "failed"
    assert "Invalid learning rate" in statuses(tmp_path)[RAISES]["error"]
    assert "Traceback" in log_of(tmp_path, RAISES)

    code, shown = run(*command, environment=variables)
    assert code == 1
    assert "1 continued, 1 skipped, 1 failed" in shown
    assert results(tmp_path)[WHOLE] == first[WHOLE]
    log = log_of(tmp_path, KILLED)
    assert "continuing after epoch" in log
    assert log.count("epoch 1/8: ") == 1
    assert metrics(directories(tmp_path)[KILLED]) == alone[KILLED]
    written = table(tmp_path)
    assert f"{alone[KILLED]['psnr']:.2f}" in written
    assert "Invalid learning rate" in written


def test_without_the_secret_or_the_cluster(cluster: tuple[str, Mapping[str, str]], tmp_path: Path) -> None:
    address, _ = cluster
    for other in (address, "127.0.0.1:1"):
        code, shown = run(
            *["-m", "hydra/launcher=ray", f"hydra.launcher.address={other}", rates(WHOLE)],
            f"hydra.sweep.dir={tmp_path}",
        )
        assert code == 1
        assert f"error: no Ray cluster answers at hydra.launcher.address={other}" in shown
    assert not results(tmp_path)
