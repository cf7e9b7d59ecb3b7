"""What a table says that runs on volumes were measured on."""

import pytest

from difftv.lab.report.remarks import evaluation
from difftv.lab.report.settings import EVALUATED_ON, NUM_IMAGES, Settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"data.eval_patch_size": 64}, "test (3 crops of 64x64 pixels)"),
        ({"data.eval_patch_size": 24, "data.axes": 3}, "test (3 crops of 24x24x24 voxels)"),
        ({"data.eval_patch_size": "[24, 48, 40]", "data.axes": 3}, "test (3 crops of 24x48x40 voxels)"),
        ({"data.eval_patch_size": None, "data.axes": 3}, "test (3 whole volumes)"),
        ({"data.eval_patch_size": None}, "test (3 whole images)"),
        ({"data.axes": 1}, "test (3 signals)"),
    ],
)
def test_crops_are_said_with_their_axes(given: Settings, said: str) -> None:
    assert evaluation({EVALUATED_ON: "test", NUM_IMAGES: 3, **given}) == said
