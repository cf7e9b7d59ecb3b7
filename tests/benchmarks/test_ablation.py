"""The ablation: rows differ in what they say, nothing is measured twice, the network without a model is a fair one."""

import importlib
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image as Pillow

from benchmarks.ablation import MEASURED, AblationRow, Measurements, Method, ablation_table
from difftv.lab.data import PublishedImages, open_images
from difftv.lab.figures import encode_figure, line_profiles, psnr_against_stairs
from difftv.lab.runs.config import resolved
from tests.conftest import CONF, PROJECT, composed

ROWS = sorted(path.stem for path in (CONF / "experiment" / "ablation").glob("*.yaml") if path.stem[0] != "_")

SAID = {
    "gam": (),
    "lam": ("regularizer",),
    "lam_per_direction": ("regularizer",),
    "eight_neighbour": ("regularizer",),
    "tv_tv2": ("regularizer", "solver"),
    "tgv": ("regularizer", "solver"),
    "small": ("predictor",),
    "gam_slopes_loss": ("loss",),
    "gam_staircase_epoch": ("trainer",),
    "gam_least": ("predictor",),
    "network": ("method", "regularizer"),
}
"""Row -> the groups in which it differs from gam."""


def configuration(row: str, *words: str) -> dict[str, Any]:
    found = resolved(composed(f"experiment=ablation/{row}", "data.root=images", *words))
    return {key: value for key, value in found.items() if key != "choices"}


def test_every_row_is_known() -> None:
    assert sorted(SAID) == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_rows_share_everything_but_what_they_say(row: str) -> None:
    reference, other = configuration("gam"), configuration(row)
    assert {key for key in reference if reference[key] != other[key]} == {*SAID[row]}


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    for part, count in (("train", 4), ("test", 1)):
        for index in range(count):
            generator = torch.Generator().manual_seed(index)
            coarse = torch.rand(1, 1, 9, 9, generator=generator)
            image = torch.nn.functional.interpolate(coarse, (72, 72), mode="bilinear")[0, 0]
            (tmp_path / part).mkdir(exist_ok=True)
            Pillow.fromarray((255 * image).byte().numpy()).save(tmp_path / part / f"{part}{index}.png")
    return tmp_path


def test_nothing_is_measured_twice_and_other_weights_anew(photographs: Path, tmp_path: Path) -> None:
    items = PublishedImages(open_images([photographs / "test" / "test0.png"], None), sigma=25.0)
    asked: list[float] = []

    def method(key: str) -> Method:
        def at(sigma: float):
            asked.append(sigma)
            return lambda noisy, sigma: noisy

        return Method("as it is", "other", key, at)

    rows = [Measurements(tmp_path / "found.json").row(method(key), items, "set") for key in ("a", "a", "b")]
    assert asked == [25.0, 25.0]
    assert rows[0] == rows[1]
    assert set(rows[0].images["test0"]) == set(MEASURED)
    assert rows[0].mean("psnr") == pytest.approx(20.17, abs=0.3)
    assert ablation_table(rows[:1], "t", "r").rows[0][:3] == ("as it is", "-", "-")


def test_seeds_are_one_line_with_their_mean_and_standard_deviation() -> None:
    def row(name: str, psnr: float) -> AblationRow:
        images = {"a": dict.fromkeys(MEASURED, psnr - 1), "b": dict.fromkeys(MEASURED, psnr + 1)}
        return AblationRow(name, "maps", 1234, 25.0, images, 2.0)

    rows = [row("x", 28.0), row("y", 27.0), row("x", 29.0), row("x", 30.0)]
    table = ablation_table(rows, "t", "r")
    assert table.rows[0][:4] == ("x", "1,234", "3", "29.00 ± 1.00")
    assert table.rows[1][:4] == ("y", "1,234", "1", "27.00")
    assert len(table.rows) == 2


def test_all_that_is_drawn_fits_into_a_figure() -> None:
    drawn = importlib.import_module("experiments.ablation").DRAWN
    image = torch.rand(1, 1, 8, 8)
    line_profiles(image, image, dict.fromkeys(drawn.values(), image), row=4)
    assert "gray" in drawn


def test_every_name_of_the_figure_stands_by_itself() -> None:
    groups: Mapping[str, Mapping[str, tuple[float, float]]] = {
        "a": {"x": (1.0, 0.0), "y$": (1.0, 0.0)},
        "b": {"z": (2.0, 0.1)},
    }
    figure = psnr_against_stairs(groups, title="t")
    places = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert set(places) == {"x", r"y\$", "z"}
    assert len({place[1] for place in places.values()}) == 3
    assert encode_figure(figure, "png").startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="At most 7 groups"):
        psnr_against_stairs({str(number): {} for number in range(8)})


@pytest.mark.slow
def test_the_two_commands(photographs: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    words = [
        *(
            f"data.root={photographs / 'train'}",
            "data.validation_fraction=0.3",
            "data.crops_per_image=1",
            "patch_size=16",
        ),
        *("trainer.epochs=1", "tracker=none", "evaluation.figures=0", "evaluation.refinements=1"),
    ]
    for row, seed in (("gam", 0), ("lam", 0), ("lam", 1), ("network", 0), ("network", 1)):
        command = [
            sys.executable,
            "experiments/run.py",
            f"experiment=ablation/{row}",
            *words,
            f"seed={seed}",
            f"hydra.run.dir={sweep / row}-{seed}",
        ]
        subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    command = [sys.executable, "experiments/ablation.py", str(sweep), str(photographs / "test"), "--sigma", "25"]
    done = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    assert done.stdout == (sweep / "ablation.md").read_text()
    assert re.search(r"\| learned lam +\| +66,565 +\| +2 +\| [0-9.]+ ± [0-9.]+ +\|", done.stdout)
    assert re.search(r"\| plain U-Net, predicts the image +\| +66,565 +\| +2 +\|", done.stdout)
    for name in (
        "learned lam ",
        "learned lam and gam per direction",
        "scalar TV, isotropic",
        "TGV",
        "plain U-Net",
        "non-local",
    ):
        assert f"| {name}" in done.stdout, name
    for name in ("psnr_against_stairs", "profile_ramp", "profile_photograph"):
        with Pillow.open(sweep / f"{name}.png") as picture:
            assert picture.width > 500
