"""Constant maps for regularizers with several numbers: the search, what it says, and that it is the same each time."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from difftv.lab.baselines import scalar_denoiser, search_per_image, search_per_set
from difftv.lab.data import EvaluationPatches, open_images
from difftv.lab.training.evaluation import evaluate
from difftv.metrics import psnr
from difftv.regularizers import TGV, TVTV2, AnisotropicTV, EightNeighbourTV, Regularizer, TVpwL
from difftv.solvers import Clarabel, Solver, TautString

SIDE = 12


@pytest.fixture
def items(tmp_path: Path) -> EvaluationPatches:
    """A slope with a step, which wants free slopes, and a disk, which wants none."""
    rows, columns = np.indices((SIDE, SIDE))
    slope = 60 + 9.0 * columns + 50 * (rows > SIDE // 2)
    disk = 80 + 90.0 * ((rows - 5) ** 2 + (columns - 6) ** 2 < 14)
    for name, image in (("slope", slope), ("disk", disk)):
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
    return EvaluationPatches(open_images(sorted(tmp_path.glob("*.png")), None), patch_size=SIDE, sigma=15)


def scores(solver: Solver, items: EvaluationPatches, numbers: tuple[float, ...]) -> torch.Tensor:
    """The PSNR of every image, written out."""
    noisy, clean = (torch.cat([getattr(item, name) for item in items]) for name in ("noisy", "clean"))
    first = torch.tensor(solver.regularizer.constants(numbers)).to(noisy.dtype)
    maps = first.view(1, -1, 1, 1).expand(len(items), -1, SIDE, SIDE)
    return psnr(solver(noisy, maps).denoised, clean)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("regularizer", "others"),
    [
        (TVpwL(), lambda lam: np.geomspace(5e-5, 0.1, 14)),
        (TGV(), lambda lam: lam * np.geomspace(0.25, 16, 8)),
    ],
    ids=["tvpwl", "tgv"],
)
def test_the_search_finds_what_a_dense_scan_finds(regularizer: Regularizer, others, items: EvaluationPatches) -> None:
    solver: Solver = TautString(regularizer) if TautString.refusal(regularizer) is None else Clarabel(regularizer)
    found = search_per_set(solver, items, batch_size=2)
    scan = [
        scores(solver, items, (float(lam), float(other))).mean().item()
        for lam in np.geomspace(0.02, 0.4, 12)
        for other in others(lam)
    ]
    assert found.psnr[0] >= max(scan) - 0.02
    assert found.names == regularizer.parameters
    assert found.psnr[0] == pytest.approx(scores(solver, items, found.values[0]).mean().item(), abs=1e-3)
    assert max(row[-1] for row in found.curve[0]) == found.psnr[0]
    assert (*found.values[0], found.psnr[0]) in found.curve[0]


def test_free_slopes_are_found_where_there_are_slopes_and_only_there(items: EvaluationPatches) -> None:
    solver = TautString(TVpwL())
    common = search_per_set(solver, items, batch_size=2)
    oracle = search_per_image(solver, items, batch_size=2, start=common.values[0])
    by_name = {item.name: numbers[1] for item, numbers in zip(items, oracle.values, strict=True)}
    assert by_name["slope"] > 5 * by_name["disk"]


@pytest.mark.parametrize("regularizer", [TVpwL(), TVpwL(4)], ids=["2 maps", "4 maps"])
def test_the_oracle_is_never_worse_than_the_common_choice(regularizer: Regularizer, items: EvaluationPatches) -> None:
    solver = TautString(regularizer)
    common = search_per_set(solver, items, batch_size=2)
    oracle = search_per_image(solver, items, batch_size=2, start=common.values[0])
    alone = scores(solver, items, common.values[0]).tolist()
    assert all(best >= other - 1e-4 for best, other in zip(oracle.psnr, alone, strict=True))
    assert sum(oracle.psnr) > sum(alone)


def test_the_fair_opponent_is_no_worse_than_total_variation(items: EvaluationPatches) -> None:
    found = {
        regularizer.name: search_per_set(TautString(regularizer), items, batch_size=2).psnr[0]
        for regularizer in (AnisotropicTV(), TVpwL())
    }
    assert found["tvpwl"] > found["anisotropic"]


def test_the_same_call_gives_the_same_answer_whatever_the_batch(items: EvaluationPatches) -> None:
    solver = TautString(TVpwL())
    one, two = (search_per_set(solver, items, batch_size=size) for size in (1, 2))
    assert one == two
    oracles = [search_per_image(solver, items, batch_size=size, start=one.values[0]) for size in (1, 2)]
    assert oracles[0] == oracles[1]


def test_the_denoiser_of_the_best_numbers_reaches_their_psnr(items: EvaluationPatches) -> None:
    solver = TautString(TVpwL(4))
    found = search_per_set(solver, items, batch_size=2, refinements=1)
    rows = [entry.row["psnr"] for entry in evaluate(scalar_denoiser(solver, found.values[0]), items, batch_size=2)]
    assert np.mean(rows) == pytest.approx(found.psnr[0], abs=1e-3)


@pytest.mark.parametrize(
    ("regularizer", "numbers", "values", "maps"),
    [
        (AnisotropicTV(2), ("lam",), (0.1,), (0.1, 0.1)),
        (EightNeighbourTV(2), ("lam",), (0.1,), (0.1, 0.1 / 2**0.5)),
        (TVpwL(), ("lam", "gam"), (0.1, 0.02), (0.1, 0.02)),
        (TVpwL(4), ("lam", "gam"), (0.1, 0.02), (0.1, 0.1, 0.02, 0.02)),
        (TGV(), ("lam1", "lam2"), (0.1, 0.3), (0.1, 0.3)),
        (TVTV2(), ("lam1", "lam2"), (0.1, 0.3), (0.1, 0.3)),
    ],
    ids=lambda it: it.name if isinstance(it, Regularizer) else None,
)
def test_maps_that_share_a_number_move_together(
    regularizer: Regularizer, numbers: tuple[str, ...], values: tuple[float, ...], maps: tuple[float, ...]
) -> None:
    assert regularizer.parameters == numbers
    assert regularizer.constants(values) == pytest.approx(maps, rel=1e-12)
    with pytest.raises(ValueError, match=f"needs {len(numbers)} number.* {numbers[-1]}; got {len(numbers) + 1}"):
        regularizer.constants((*values, 0.1))
    for index, name in enumerate(numbers):
        wrong = [*values[:index], 0.0, *values[index + 1 :]]
        with pytest.raises(ValueError, match=f"{name} must be a positive finite number"):
            regularizer.constants(wrong)


def test_a_search_starts_with_a_grid_around_the_start_of_training() -> None:
    from difftv.lab.baselines._plane import Axes, whole_grid

    for regularizer in (TGV(), TVTV2(), TVpwL()):
        axes = Axes.of(regularizer)
        tried = {axes.numbers(point) for point in whole_grid(axes)}
        start = regularizer.starts(0.01)
        assert any(numbers == pytest.approx(start[:2]) for numbers in tried)
        for numbers in itertools.islice(tried, 5):
            assert axes.numbers(axes.point(numbers)) == pytest.approx(numbers, rel=1e-8)
