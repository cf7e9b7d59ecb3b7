"""Every function minimises what its row says, and is no more accurate than the error asks for."""

import importlib.util
from timeit import Timer

import numpy as np
import pytest

from benchmarks import denoisers
from benchmarks.denoisers import (
    ANISOTROPIC,
    COUPLED,
    ISOTROPIC,
    PEERS,
    Picture,
    contestants,
    minimiser,
    split_bregman,
)
from benchmarks.drop_in import drop_in_table, measure_drop_in
from benchmarks.inputs import LAM, natural_colour_image
from benchmarks.markdown import to_markdown
from benchmarks.peers import fewest, rms
from benchmarks.suite import Found, Settings, jobs, run
from difftv.errors import DataError
from difftv.lab.data import Sample

ERROR = 3e-3
TIGHT = {"tol": 1e-6, "max_num_iter": 1500, "n_it_max": 1000, "max_iters": 200, None: None}


def steps(*shape: int) -> Picture:
    """Noise on three steps."""
    random = np.random.default_rng(0)
    columns = np.repeat([0.2, 0.8, 0.5], -(-shape[1] // 3))[: shape[1]]
    return columns.reshape(1, -1, *[1] * (len(shape) - 2)) + 0.1 * random.standard_normal(shape)


GRAY, COLOUR = steps(5, 7), steps(4, 5, 2)
PICTURES = {"gray": GRAY, "colour": COLOUR, "larger": steps(12, 13, 3)}


@pytest.fixture(autouse=True)
def quick_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoisers, "REFERENCE_TOL", 1e-6)  # on images as small as these, right to 1e-6 as well


@pytest.mark.parametrize("objective", [ISOTROPIC, ANISOTROPIC])
@pytest.mark.parametrize("image", ["gray", "colour"])
def test_functions_said_to_have_one_minimiser_have_it(image: str, objective: str) -> None:
    picture = PICTURES[image]
    exact = minimiser(picture, objective)
    for one in contestants(objective):
        away = rms(one.at(TIGHT[one.option], picture) - exact)
        if one.own_objective:
            assert away > 1e-2, one.name
        else:
            assert away < 1e-5, one.name


@pytest.mark.parametrize(("image", "objective"), [("gray", ISOTROPIC), ("larger", ANISOTROPIC), ("colour", COUPLED)])
def test_each_is_as_loose_as_the_error_allows(image: str, objective: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = PICTURES[image]
    monkeypatch.setattr(Timer, "autorange", lambda timer: (1, timer.timeit(1)))
    rows = measure_drop_in(picture, objective, ERROR, 1)
    assert [row.solver for row in rows] == [one.name for one in contestants(objective)]
    assert rows[0].solver == "denoise_tv"
    assert rows[0].over_ours.median == 1
    noisy = picture.astype(np.float32)
    for row, one in zip(rows, contestants(objective), strict=True):
        assert row.error <= ERROR == row.asked
        assert (row.other_minimiser is not None) == one.own_objective
        if not one.own_objective and one.option not in (None, "tol"):
            count = int(row.setting.partition("=")[2])
            assert rms(one.at(count * 7 // 8, noisy) - minimiser(noisy, objective)) > ERROR, row.setting
    lines = to_markdown(drop_in_table(rows)).splitlines()
    assert sum(line.startswith("|") for line in lines) == len(rows) + 2
    assert "3e-03" in lines[2]


def test_split_bregman_takes_every_channel_by_itself() -> None:
    # for the others, the minimiser that they share with denoise_tv shows it
    alone = [split_bregman(np.ascontiguousarray(COLOUR[..., index]), 300) for index in range(2)]
    assert rms(split_bregman(COLOUR, 300) - np.stack(alone, axis=-1)) < 1e-12


def bregman_objective(u: Picture, f: Picture, *, isotropic: bool) -> float:
    """As the head of benchmarks/denoisers.py states it."""
    down = np.diff(u, axis=0, append=f[-1:])
    right = np.diff(u, axis=1, append=f[:, -1:])
    border = np.square(u[:, 0] - f[:, 1]).sum() + np.square(u[0] - f[1]).sum()
    variation = (smoothed(np.hypot(down, right)) if isotropic else np.abs(down) + np.abs(right)).sum()
    return float(0.5 * np.square(u - f).sum() + LAM * variation + border)


def smoothed(x: Picture) -> Picture:
    """The integral of phi' from 0 to x."""
    c = LAM / 2
    t = x + 2 * c
    return ((t * np.sqrt(x * (x + 4 * c)) - 4 * c**2 * np.arccosh(t / (2 * c))) / 2 - x**2 / 2) / (2 * c)


@pytest.mark.parametrize("isotropic", [True, False])
def test_split_bregman_minimises_what_is_written(isotropic: bool) -> None:
    found = split_bregman(GRAY, 1000, isotropic=isotropic)
    least = bregman_objective(found, GRAY, isotropic=isotropic)
    random = np.random.default_rng(1)
    directions = [np.eye(GRAY.size)[index].reshape(GRAY.shape) for index in range(GRAY.size)]
    directions += [random.standard_normal(GRAY.shape) for _ in range(20)]
    for size in (1e-4, 1e-2):
        for step in directions:
            for move in (size * step, -size * step):
                # strongly convex: above the minimum by half the squared distance at least
                above = bregman_objective(found + move, GRAY, isotropic=isotropic) - least
                assert above > 0.5 * np.square(move).sum() - 1e-13
    ours = minimiser(GRAY, ISOTROPIC if isotropic else ANISOTROPIC)
    assert bregman_objective(ours, GRAY, isotropic=isotropic) > least + 1e-3


def test_a_missing_package_is_named_with_its_extra_and_the_rest_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert [one.name for one in contestants(ISOTROPIC)] == ["denoise_tv", "admm"]
    assert [one.name for one in contestants(ANISOTROPIC)] == ["denoise_tv"]
    found: dict[str, Found] = {}
    for job in jobs(["denoise_tv"], Settings((), tmp_path))[: len(PEERS)]:
        run(job, found)
    notes = found["denoise_tv"].notes
    assert [note.partition(":")[0] for note in notes] == list(PEERS)
    for note, extra in zip(notes, ("train", "peers", "deepinv"), strict=True):
        assert f'pip install "difftv[{extra}]"' in note


def test_the_colour_image_is_the_first_one_that_is_large_enough_and_in_colour() -> None:
    camera, chelsea, _ = Sample().files().test
    astronaut = Sample().files().train[0]
    paths = (camera, chelsea, astronaut)
    assert natural_colour_image(paths, 8, 8).clean.equal(natural_colour_image([chelsea], 8, 8).clean)
    assert natural_colour_image(paths, 512, 512).clean.equal(natural_colour_image([astronaut], 512, 512).clean)
    reflected = natural_colour_image([chelsea], 302, 8).clean
    assert reflected.shape == (1, 3, 302, 8)
    assert reflected[:, :, 300:].equal(reflected[:, :, 298:300].flip(2))
    with pytest.raises(DataError, match="none of 1 photographs is in colour"):
        natural_colour_image([camera], 8, 8)


@pytest.mark.parametrize("wanted", [1, 2, 3, 7, 8, 9, 100, 129])
def test_the_fewest_iterations_are_found_to_an_eighth(wanted: int) -> None:
    found = fewest(lambda count: count >= wanted, 256)
    assert found is not None
    assert wanted <= found <= wanted * 9 / 8


def test_no_number_of_iterations_is_enough() -> None:
    assert fewest(lambda count: count > 256, 256) is None
