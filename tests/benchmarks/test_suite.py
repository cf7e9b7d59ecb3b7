"""A small run of every part: rows, tables with units, a JSON document that comes back as it was written."""

import dataclasses
import json
from importlib.util import find_spec
from timeit import Timer

import pytest
import torch

from benchmarks import isotropic, scaling
from benchmarks.clock import paired_ratio, total
from benchmarks.hand_written import NAME as BY_HAND
from benchmarks.inputs import LAM, VARIATION, natural_image, natural_patches, smooth_map
from benchmarks.reference_layer import bare_layer, bare_solve
from benchmarks.suite import PARTS, Found, Job, Settings, jobs, run, to_json, to_text
from difftv.errors import ProblemTooLargeError
from difftv.lab.data import Sample
from difftv.regularizers import TGV, AnisotropicTV, IsotropicTV
from difftv.solvers import Scs

# cvxpylayers 1.2's own interface to diffcp turns tensors into arrays in a way that NumPy is giving up.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:cvxpylayers"),
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    return Settings(
        photographs=Sample().files().test,
        cache_dir=tmp_path_factory.mktemp("cache"),
        patch_sizes=(8,),
        batch=2,
        repeats=1,
        build_sizes=(24,),
        exact_size=8,
        exactness_sizes=(9,),
        batched=((IsotropicTV(), 8, 2), (TGV(), 6, 1)),
        isotropic_sizes=(12, (8,)),
        model_side=16,
        memory_iterations=(20, 40),
        device_batch=2,
        drop_in_size=12,
        drop_in_error=1e-3,
        scaling_sizes=((16, 16), (24, 32)),
    )


@pytest.fixture(scope="module")
def found(settings) -> dict[str, Found]:
    """Everything measured once: one run is a measurement, and memory is measured in this process but for the build."""
    results: dict[str, Found] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Timer, "autorange", lambda timer: (1, timer.timeit(1)))
        for module in (isotropic, scaling):
            patch.setattr(module, "in_own_process", lambda function, *arguments: function(*arguments))
        for job in jobs(PARTS, settings):
            run(job, results)
    return results


@pytest.mark.parametrize("part", PARTS)
def test_every_part_measures(found, settings, part):
    assert found[part].rows
    text = to_text({part: found[part]})
    heads = next(line for line in text.splitlines() if line.startswith("|"))
    assert "[" in heads or "per second" in heads, f"no unit in {heads}"
    assert "atch" in text
    assert "thread" in text or part == "build"  # compilation knows no threads
    numbers = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert len(numbers) == len(found[part].rows)
    assert "nan" not in text


def test_only_what_is_not_installed_is_missing(found):
    notes = {part: result.notes for part, result in found.items() if result.notes}
    isotropic = notes.pop("isotropic", [])
    if not torch.accelerator.is_available():
        assert isotropic.pop() == "devices 8x8: no accelerator (cuda, mps) on this machine"
    if find_spec("deepinv") is None:
        assert 'pip install "difftv[deepinv]"' in isotropic.pop()
    assert isotropic == []
    missing = [extra for extra, module in (("peers", "prox_tv"), ("deepinv", "deepinv")) if find_spec(module) is None]
    drop_in = notes.pop("denoise_tv", [])
    assert len(drop_in) == len(missing)
    assert all(f'pip install "difftv[{extra}]"' in note for extra, note in zip(missing, drop_in, strict=True))
    assert notes == {}


def test_the_document_comes_back_as_it_was_written(found, settings):
    document = json.loads(to_json(found, settings, {"python": "3"}, "abc"))
    assert document["parts"] == {
        part: {"rows": json.loads(json.dumps([dataclasses.asdict(row) for row in result.rows])), "notes": result.notes}
        for part, result in found.items()
    }
    assert document["threads"] == torch.get_num_threads()
    assert document["settings"]["patch_sizes"] == [8]
    assert document["versions"] == {"python": "3"}
    assert document["machine"]["cores"] >= 1
    assert str(settings.cache_dir) not in json.dumps(document)


def test_layers_are_compared_pair_by_pair_on_the_same_problem(found):
    rows = {row.solver: row for row in found["layer"].rows}
    assert {"scs", "clarabel", "exact"} <= set(rows)
    for row in rows.values():
        assert row.step_ratio == paired_ratio(total(row.ours), total(row.theirs))
        assert row.bare == ("scs" if row.solver == "exact" else row.solver)
        assert row.difference < (1e-3 if row.solver == "exact" else 1e-9)


def test_the_exact_layer_is_exact_at_every_weight_and_noise_level(found):
    rows = found["exactness"].rows
    assert {row.kind for row in rows} == {"photograph", "steps", "ramp", "constant"}
    for row in rows:
        assert row.not_converged == 0
        assert row.gap < 1e-26
        assert row.differences > row.solves / 2
        assert row.gradient_error < 1e-3


def test_the_exact_layer_is_exact_and_the_others_close(found):
    exact, *others = (row.accuracy for row in found["exact"].rows if row.regularizer == "anisotropic")
    assert exact.largest_error < 1e-12
    assert max(exact.lam_errors) < 1e-9
    assert {row.solver for row in others} >= {"scs", "clarabel"}
    for row in others:
        assert row.largest_error < 1e-2


def test_the_exact_layer_is_exact_on_learned_slopes(found):
    exact, short, long = (row.accuracy for row in found["exact"].rows if row.regularizer == "tvpwl")
    assert exact.largest_error < 1e-12
    assert max(exact.lam_errors) < 1e-9
    assert long.largest_error <= short.largest_error < 1e-2


def test_the_batched_solver_is_close_to_its_own_end_and_the_cone_solvers_to_both(found):
    rows = found["batched"].rows
    assert {row.regularizer for row in rows} == {"isotropic", "tgv"}
    for row in rows:
        assert row.accuracy.largest_error < 1e-3
        assert row.accuracy.not_converged == 0
        if row.regularizer == "isotropic":
            assert max(row.accuracy.lam_errors) < 0.05
        if row.accuracy.solver == "admm":
            assert row.over_first.median == 1
    assert {row.accuracy.solver for row in rows} == {"admm", BY_HAND, "clarabel"}


def test_memory_is_measured_at_fixed_iterations(found):
    fixed = [row for row in found["isotropic"].rows if row.solver == "admm, iterations fixed"]
    assert [row.setting for row in fixed] == ["max_iter=20", "max_iter=40"]
    assert fixed[1].error < fixed[0].error
    assert all(row.peak > 0 for row in fixed)


def test_denoise_tv_is_compared_on_gray_and_colour(found):
    rows = found["denoise_tv"].rows
    ours = [(row.channels, row.objective) for row in rows if row.solver == "denoise_tv"]
    assert ours == [
        (1, "isotropic"), (1, "anisotropic"), (3, "isotropic"), (3, "anisotropic"), (3, "isotropic, channels coupled"),
    ]  # fmt: skip
    assert all(row.error <= row.asked == 1e-3 for row in rows)
    assert {row.solver for row in rows} >= {"admm", "denoise_tv_chambolle", "denoise_tv_bregman"}


def test_the_estimate_of_the_build_is_of_the_right_size(found):
    rows = found["build"].rows
    assert [(row.regularizer, row.num_maps) for row in rows] == [
        ("anisotropic", 1),
        ("anisotropic", 2),
        ("isotropic", 1),
    ]
    for row in rows:
        assert 1 / 1.5 < row.estimate / row.peak < 1.5
        assert row.seconds > 0


def test_the_bare_layer_solves_the_same_problem_without_a_gradient_too():
    inputs = natural_patches(Sample().files().test, None, 6, 2)
    for regularizer in (AnisotropicTV(1), IsotropicTV()):
        solver = Scs(regularizer)
        with torch.no_grad():
            bare = bare_solve(bare_layer(regularizer, 6, 6), solver, inputs.noisy)(inputs.lam)
            ours = solver(inputs.noisy, inputs.lam).denoised
        torch.testing.assert_close(bare, ours, rtol=0, atol=1e-10)


def test_an_image_is_continued_past_its_border():
    path = Sample().files().test[0]
    large = natural_image(path, 600, 520).clean
    assert large.shape == (1, 1, 600, 520)
    torch.testing.assert_close(large[:, :, 512:], large[:, :, 424:512].flip(2), rtol=0, atol=0)


def test_a_map_lies_around_the_best_weight():
    lam = smooth_map(2, 1, 40, 24)
    assert LAM * (1 - VARIATION) <= float(lam.min()) < float(lam.max()) <= LAM * (1 + VARIATION)
    assert not torch.equal(lam[0], lam[1])


def test_what_cannot_be_measured_becomes_a_note_and_the_rest_goes_on(settings):
    def too_large():
        raise ProblemTooLargeError("96x96 needs 8 GiB")

    results: dict[str, Found] = {}
    run(Job("layer", "layers 96x96", too_large), results)
    assert results["layer"].notes == ["layers 96x96: 96x96 needs 8 GiB"]
    assert "Not measured: layers 96x96" in to_text(results)


def test_a_misspelt_part_is_refused(settings):
    with pytest.raises(ValueError, match="layers"):
        jobs(["layers"], settings)
