"""The saved view of a sweep: what is in it, where it goes, and what is said when it cannot go there."""

import importlib.util
import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from difftv.errors import DiffTVError, MissingDependencyError
from difftv.lab.tracking import dashboard
from difftv.metrics import MEANING
from tests.conftest import PROJECT
from tests.tracking.fake_server import FakeServer

pytest.importorskip("wandb_workspaces", reason="the extra difftv[dashboard] is not installed")


@pytest.fixture
def sweep(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for run in ("solver=scs-1", "solver=ecos-2"):
        figures = place / "ablation" / run / "figures"
        figures.mkdir(parents=True)
        (figures.parent / "config.yaml").write_text("sigma: 25\n")
        for image in ("camera", "coins"):
            (figures / f"strip_{image}.png").write_bytes(b"")
    # No run is opened here, so the background process has no better place for its debug log.
    monkeypatch.setenv("WANDB_CACHE_DIR", str(place))
    return place / "ablation"


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    main = runpy.run_path(str(PROJECT / "experiments" / "dashboard.py"))["main"]

    def run(*words: str) -> tuple[int, str]:
        code = main(list(words))
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def panels(view: dict, kind: str) -> list[dict]:
    return [panel for section in view["sections"] for panel in section["panels"] if panel["type"] == kind]


def test_without_a_login_the_view_is_written_beside_the_runs(
    sweep: Path, script: Callable[..., tuple[int, str]]
) -> None:
    code, printed = script(str(sweep))
    assert code == 0
    assert "wandb login" in printed
    assert str(sweep / "dashboard.json") in printed
    view = json.loads((sweep / "dashboard.json").read_text())
    assert (view["name"], view["project"]) == ("Sweep ablation", "diff-tv-net")
    runs = view["runset_settings"]
    assert [key["name"] for key in runs["groupby"]] == [
        "choices.solver",
        "sigma",
        "identity.images",
        "data.eval_patch_size",
        "data.clip_noise",
    ]
    assert runs["filters"] == "Metric(\"Group\") == 'ablation'"
    (psnr,) = [panel for panel in panels(view, "LinePlot") if panel["y"] == ["validation/psnr"]]
    assert psnr["x"] == "epoch"
    scatter = {(panel["x"]["name"], panel["y"]["name"]) for panel in panels(view, "ScatterPlot")}
    assert ("stair/plateau_excess", "psnr") in scatter
    assert [panel["media_keys"] for panel in panels(view, "MediaBrowser")] == [["strip_camera"], ["strip_coins"]]
    assert panels(view, "ParameterImportancePlot")
    assert "http" not in json.dumps(view)


def test_every_diagnostic_in_the_view_is_one_that_runs_log(place: Path) -> None:
    shown = {*dashboard.EDGES, *dashboard.STAIRS}
    assert shown <= set(MEANING)


def test_with_a_login_the_view_is_saved(
    sweep: Path, script: Callable[..., tuple[int, str]], server: FakeServer
) -> None:
    code, printed = script(str(sweep), "--project", "other")
    assert code == 0
    assert printed.startswith(f"{server.url}/me/other?nw=")
    (view,) = server.views
    assert (view["entityName"], view["projectName"], view["displayName"]) == ("me", "other", "Sweep ablation")
    assert not (sweep / "dashboard.json").exists()


def test_a_server_that_refuses_the_view_is_reported(
    sweep: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeServer, "_UpsertView2", None)
    with pytest.raises(DiffTVError, match=r"did not save.*--entity and --project"):
        dashboard.publish(sweep, project="other")


def test_a_directory_without_runs_is_refused(place: Path, script: Callable[..., tuple[int, str]]) -> None:
    code, printed = script(str(place / "typo"))
    assert code == 2
    assert "holds no run" in printed


@pytest.mark.parametrize("how", ["absent", "broken"])
def test_a_missing_package_is_named(how: str, sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "absent":
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "wandb_workspaces" else find(n, *a))
    else:
        monkeypatch.setitem(sys.modules, "wandb_workspaces.reports.v2", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "difftv\[dashboard\]"'):
        dashboard.publish(sweep, project="diff-tv-net")
