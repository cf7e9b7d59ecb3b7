"""`denoise_tv` beside scikit-image itself: the same minimiser, the same manners, and clearer refusals."""

import warnings

import numpy as np
import pytest
import torch
from skimage.restoration import denoise_tv_bregman, denoise_tv_chambolle
from skimage.util import img_as_float

import difftv
from difftv import AnisotropicTV, HuberTV, denoise_tv
from difftv.regularizers import BY_NAME

# The calls as a user makes them; types that are checked at run time would cost most of the time.
pytestmark = pytest.mark.usefixtures("jaxtyping_off")

SHAPE = (16, 13)


def noisy(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).random(shape)


@pytest.fixture(scope="module")
def run_to_the_end():
    """scikit-image's own answer, with its criterion switched off."""
    return denoise_tv_chambolle(noisy(), 0.1, eps=0.0, max_num_iter=20_000)


def test_it_is_what_scikit_image_gives_when_it_is_run_to_the_end(run_to_the_end):
    assert np.abs(denoise_tv(noisy(), 0.1) - run_to_the_end).max() < 1e-6
    # The weight of scikit-image is ours, not half or twice it.
    for other in (0.05, 0.2, 0.099):
        assert np.abs(denoise_tv(noisy(), other) - run_to_the_end).max() > 1e-4


def test_scikit_image_stops_earlier_by_default(run_to_the_end):
    assert np.abs(denoise_tv_chambolle(noisy(), 0.1) - run_to_the_end).max() > 1e-3


def test_bregman_means_the_opposite_by_weight():
    spread = [denoise_tv_bregman(noisy(), weight).std() for weight in (1.0, 10.0)]
    assert spread[0] < spread[1]
    assert denoise_tv(noisy(), 0.1).std() > denoise_tv(noisy(), 1.0).std()


@pytest.mark.parametrize("regularizer", BY_NAME)
def test_every_regularizer_smooths_more_with_a_larger_weight(regularizer):
    y = noisy((8, 7))
    light, heavy = (denoise_tv(y, weight, regularizer=regularizer, tol=1e-7) for weight in (0.03, 0.3))
    assert y.std() > light.std() > heavy.std()
    np.testing.assert_allclose(denoise_tv(y, 0, regularizer=regularizer, tol=1e-7), y, atol=1e-6)
    np.testing.assert_allclose(heavy.mean(), y.mean(), rtol=1e-9)


@pytest.mark.parametrize("regularizer", BY_NAME)
def test_every_regularizer_gets_what_its_solver_gets(regularizer):
    y = noisy((8, 7))
    kind = BY_NAME[regularizer]()
    weights = [0.1 + 0.01 * index for index in range(kind.num_maps)]
    # Another solver, or the same one from the maps themselves.
    maps = torch.tensor(weights, dtype=torch.float64).reshape(1, -1, 1, 1).expand(1, -1, 8, 7)
    expected = difftv.Admm(kind, tol=1e-9, max_iter=20_000, dtype=torch.float64)
    if difftv.Admm.refusal(kind) is None:
        found = denoise_tv(y, weights, regularizer=regularizer)
        other = expected(torch.from_numpy(y)[None, None], maps).denoised[0, 0].numpy()
        np.testing.assert_allclose(found, other, atol=1e-6)
    single = denoise_tv(y, 0.1, regularizer=kind)
    np.testing.assert_allclose(single, denoise_tv(y, list(kind.starts(0.1)), regularizer=kind), atol=1e-7)


def test_a_weight_may_be_an_array_over_the_image():
    y = noisy()
    map_ = np.random.default_rng(1).random(SHAPE) / 5
    tensor = torch.from_numpy(y)[None, None], torch.from_numpy(map_)
    expected = difftv.tv_denoise(*tensor)[0, 0].numpy()
    np.testing.assert_allclose(denoise_tv(y, map_, regularizer="anisotropic"), expected, atol=1e-12)
    rows = np.linspace(0.01, 0.3, SHAPE[0])[:, None]
    found, full = (denoise_tv(y, weight, tol=1e-6) for weight in (rows, np.broadcast_to(rows, SHAPE)))
    np.testing.assert_array_equal(found, full)
    assert found[:4].std() > found[-4:].std()


def test_a_list_of_weights_is_one_per_map():
    y = noisy()
    vertical = denoise_tv(y, [100.0, 0.0], regularizer="anisotropic")
    np.testing.assert_allclose(vertical, np.broadcast_to(y.mean(axis=0), SHAPE), atol=1e-12)
    both = np.full(SHAPE, 0.1), 0.1
    np.testing.assert_allclose(
        denoise_tv(y, both, regularizer="anisotropic"), denoise_tv(y, 0.1, regularizer="anisotropic"), atol=1e-12
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_channels_are_denoised_each_by_itself_as_in_scikit_image(axis):
    channels = noisy((3, 9, 8))
    image = np.moveaxis(channels, 0, axis)
    found = denoise_tv(image, 0.1, channel_axis=axis)
    assert found.shape == image.shape
    np.testing.assert_array_equal(found, np.moveaxis(np.stack([denoise_tv(one, 0.1) for one in channels]), 0, axis))
    other = denoise_tv_chambolle(image, 0.1, eps=0.0, max_num_iter=2000, channel_axis=axis)
    np.testing.assert_allclose(found, other, atol=1e-5)


@pytest.mark.parametrize("axis", [0, -1])
def test_coupled_channels_that_are_equal_are_a_gray_image_of_scikit_image(axis, run_to_the_end):
    """Three equal channels: three times the gray objective with weight / sqrt(3)."""
    image = np.stack([noisy()] * 3, axis=axis)
    found = denoise_tv(image, 0.1 * 3**0.5, channel_axis=axis, channels="coupled")
    assert found.shape == image.shape
    np.testing.assert_allclose(found, np.stack([run_to_the_end] * 3, axis=axis), atol=1e-6)


def test_coupled_channels_are_those_of_the_layer_and_not_those_of_scikit_image():
    image, weight = noisy((9, 8, 3)), np.linspace(0.05, 0.2, 8) * np.ones((9, 1))
    found = denoise_tv(image, weight, channel_axis=-1, channels="coupled", return_solution=True)
    stacked = torch.from_numpy(image).movedim(-1, 0)[None]
    expected = difftv.tv_denoise(stacked, torch.from_numpy(weight), channels="coupled")[0].movedim(0, -1)
    np.testing.assert_allclose(found.denoised, expected.numpy(), atol=1e-12)
    assert found.converged
    assert found.gap < 1e-8
    by_itself = denoise_tv_chambolle(image, 0.1, eps=0.0, max_num_iter=2000, channel_axis=-1)
    assert np.abs(denoise_tv(image, 0.1, channel_axis=-1, channels="coupled") - by_itself).max() > 1e-2
    huber = denoise_tv(image, weight, channel_axis=-1, channels="coupled", regularizer=HuberTV(channels=3))
    named = denoise_tv(image, weight, channel_axis=-1, channels="coupled", regularizer="huber")
    np.testing.assert_array_equal(huber, named)


def test_a_weight_may_differ_between_channels():
    image = np.moveaxis(noisy((3, 9, 8)), 0, -1)
    found = denoise_tv(image, np.array([0.0, 0.1, 0.2]).reshape(1, 1, 3), channel_axis=-1, tol=1e-6)
    for channel, weight in enumerate((0.0, 0.1, 0.2)):
        np.testing.assert_allclose(found[..., channel], denoise_tv(image[..., channel], weight, tol=1e-6), atol=1e-12)
    shared = np.linspace(0, 0.2, 8) * np.ones((9, 1))
    found = denoise_tv(image, shared, channel_axis=2, tol=1e-6)
    np.testing.assert_allclose(found[..., 1], denoise_tv(image[..., 1], shared, tol=1e-6), atol=1e-12)


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", ">f4", "uint8", "int8", "uint16", "int16", "uint32", "int64", "bool"]
)
def test_dtypes_are_those_of_scikit_image(dtype):
    dtype = np.dtype(dtype)
    image = noisy()
    if dtype.kind == "b":
        image = image > 0.5
    elif dtype.kind in "iu":
        limits = np.iinfo(dtype)
        image = (limits.min + image * (float(limits.max) - limits.min) * 0.999).astype(dtype)
    image = image.astype(dtype)
    before = image.copy()
    found = denoise_tv(image, 0.1)
    peer = denoise_tv_chambolle(image, 0.1, eps=0.0, max_num_iter=3000)
    assert found.dtype == peer.dtype
    np.testing.assert_allclose(found, peer, atol=1e-4)
    scaled = image if dtype.kind == "f" else img_as_float(image)
    np.testing.assert_allclose(found, denoise_tv(scaled.astype(found.dtype), 0.1), atol=1e-12)
    np.testing.assert_array_equal(image, before)


def test_any_layout_of_an_array_gives_the_same():
    y = noisy()
    expected = denoise_tv(y, 0.1)
    frozen = y.copy()
    frozen.flags.writeable = False
    for same in (np.asfortranarray(y), y[::-1][::-1], frozen, y.view(np.ma.MaskedArray), np.repeat(y, 2, 0)[::2]):
        found = denoise_tv(same, 0.1)
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, expected)


def test_the_certificate_is_true():
    solution = denoise_tv(noisy(), 0.1, return_solution=True)
    np.testing.assert_array_equal(solution.denoised, denoise_tv(noisy(), 0.1))
    assert solution.converged
    assert 0 <= solution.gap < 1e-10
    loose = denoise_tv(noisy(), 0.1, tol=1e-3, return_solution=True)
    assert loose.gap > 100 * solution.gap
    assert loose.iterations < solution.iterations
    exact = denoise_tv(noisy(), 0.1, regularizer="anisotropic", tol=1e-3, return_solution=True)
    assert exact.gap < 1e-20


def test_a_solve_that_does_not_reach_its_tolerance_says_so(monkeypatch):
    monkeypatch.setattr("difftv.interop.scikit_image.MAX_ITER", 20)
    with pytest.warns(RuntimeWarning, match="stopped after 20 iterations at a relative duality gap of"):
        solution = denoise_tv(noisy(), 0.1, return_solution=True)
    assert not solution.converged


COUPLED = {"channel_axis": -1, "channels": "coupled"}
MASKED = np.ma.masked_less(noisy(), 0.1)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (noisy((9, 8, 3)), {}, "volume of 3 planes or a colour image.*channel_axis=-1; .*spacing=1"),
        (noisy((3, 9, 8)), {}, "channel_axis=0"),
        (noisy((4, 9, 8, 7)), {}, "one to three axes of space.*channel_axis"),
        (noisy((2, 9, 8, 7, 3)), {"channel_axis": -1}, "one to three axes of space and the channels"),
        (noisy((5,)), {"channel_axis": 0}, "got shape .*channel_axis=None"),
        (noisy((5, 6, 7)), {"regularizer": "eight_neighbour"}, "images of two axes.*anisotropic, isotropic"),
        (noisy((5, 6, 7)), {"regularizer": HuberTV()}, r"its own: HuberTV\(axes=3\)"),
        (noisy(), {"spacing": 2.0, "regularizer": HuberTV()}, r"its own: HuberTV\(spacing=\(2.0, 2.0\)\)"),
        (noisy(), {"spacing": (1.0, 2.0, 3.0)}, r"one positive number per axis, \(height, width\)"),
        (noisy(), {"spacing": (1.0, 0.0)}, "spacing must be a positive finite number, got 0"),
        (np.float64(0.5), {}, "image must be a NumPy array"),
        (noisy((9, 8, 3)), {"channel_axis": 3}, "from -3 to 2 for an array of 3 axes"),
        (noisy((9, 8, 3)), {"channel_axis": True}, "channel_axis must be an integer"),
        (np.where(noisy() > 0.5, np.nan, 1.0), {}, "image holds NaN"),
        (np.where(noisy() > 0.5, np.inf, 1.0), {}, "image holds NaN or infinity"),
        (MASKED, {}, "image has masked elements"),
        (np.zeros((0, 5)), {}, "at least one pixel"),
        (np.zeros((5, 4, 0)), {"channel_axis": -1}, "at least one pixel"),
        (1j * noisy(), {}, "image is complex"),
        (noisy().astype(object), {}, "image must hold numbers"),
        ((255 * noisy()).astype(np.int64), {}, "int64 with values from .*no contrast"),
        ([[0.0, 1.0]], {}, "image must be a NumPy array or a tensor, got builtins.list"),
        (torch.rand(4, 4, requires_grad=True), {}, "image requires a gradient.*difftv.tv_denoise"),
        (noisy(), {"weight": torch.ones(16, 13, requires_grad=True)}, "weight requires a gradient"),
        (noisy(), {"weight": -0.1}, "weight must be finite and >= 0 everywhere .*got -0.1"),
        (noisy(), {"weight": np.nan}, "weight must be finite"),
        (noisy(), {"weight": np.inf}, "weight must be finite"),
        (noisy(), {"weight": MASKED}, "weight has masked"),
        (noisy(), {"weight": True}, "weight must be a number"),
        (noisy(), {"weight": "0.1"}, "weight must be a number"),
        (noisy(), {"weight": 1j}, "weight must be a number"),
        (noisy(), {"weight": np.ones((13, 16))}, r"broadcast to \(16, 13\); got shape \(13, 16\)"),
        (noisy(), {"weight": np.ones((1, 16, 13))}, "broadcast to"),
        (noisy(), {"weight": np.ones(16)}, "broadcast to"),
        (noisy(), {"weight": [0.1, 0.2]}, r"1 for isotropic \(lam\); got 2"),
        (noisy(), {"weight": [0.1], "regularizer": "tgv"}, r"2 for tgv \(lam1, lam2\); got 1"),
        (noisy(), {"weight": [0.1] * 3, "regularizer": "anisotropic"}, "num_maps must be 1"),
        (noisy(), {"weight": [0.1, -1.0], "regularizer": AnisotropicTV(2)}, r"weight\[1\] \(lam_h\) must be finite"),
        (noisy((9, 8, 3)), {"weight": np.ones(3), "channel_axis": -1}, r"columns or channels.*\(1, 1, 3\)"),
        (noisy((9, 8, 3)), {"weight": np.ones((9, 3, 8)), "channel_axis": -1}, r"to \(9, 8, 3\)"),
        (noisy(), {"regularizer": "isotropc"}, "must be one of anisotropic, isotropic"),
        (noisy(), {"regularizer": HuberTV}, "or an object of difftv.regularizers"),
        (noisy(), {"tol": 0.0}, "tol must be a positive"),
        (noisy(), {"bounds": (1, 0)}, "bounds must be .* with lower < upper"),
        (noisy(), {"bounds": (0, 1), "regularizer": HuberTV()}, r"its own: HuberTV\(bounds=\(0, 1\)\)"),
        (noisy(), {"tol": 1e-20}, "tol must be at least 1e-14"),
        (noisy((9, 8, 3)), {"channel_axis": -1, "channels": "rgb"}, 'channels must be "independent" or "coupled"'),
        (noisy(), {"channels": "coupled"}, "needs channel_axis"),
        (noisy((9, 8, 3)), COUPLED | {"regularizer": "tvpwl"}, "tvpwl does not couple channels.*isotropic, huber"),
        (
            noisy((9, 8, 3)),
            COUPLED | {"regularizer": HuberTV()},
            "channels=1, but is given images of 3",
        ),
        (noisy((9, 8, 3)), {"channel_axis": -1, "regularizer": HuberTV(channels=3)}, "channels=3, but is given images"),
        (noisy((9, 8, 2)), COUPLED | {"weight": np.array([[[0.1, 0.2]]])}, "weight differs between the channels"),
        (noisy(), {"return_solution": 1}, "return_solution must be true or false"),
    ],
)
def test_what_cannot_be_meant_is_refused(image, options, message):
    with warnings.catch_warnings(), pytest.raises((ValueError, TypeError), match=message):
        denoise_tv(image, **options)


def test_bounds_are_kept_and_integers_have_those_of_the_scaled_image():
    y = noisy((8, 7))
    found = denoise_tv(y, 0.05, bounds=(0.3, 0.6), tol=1e-7)
    assert (found.min(), found.max()) == (0.3, 0.6)
    exact = denoise_tv(y, [0.05, 0.02], regularizer="anisotropic", bounds=(None, 0.6))
    np.testing.assert_allclose(exact, denoise_tv(y, [0.05, 0.02], regularizer="anisotropic").clip(max=0.6))
    own = denoise_tv(y, 0.05, regularizer=AnisotropicTV(bounds=(0.3, 0.6)))
    assert (own.min(), own.max()) == (0.3, 0.6)
    assert denoise_tv((255 * y).astype(np.uint8), 0.05, bounds=(0.3, 0.6), tol=1e-5).max() == 0.6


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_images_of_one_row_or_column_are_images(shape):
    y = noisy(shape)
    for regularizer in ("isotropic", "anisotropic"):
        found = denoise_tv(y, 10.0, regularizer=regularizer)
        np.testing.assert_allclose(found, np.full(shape, y.mean()), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.uint8])
def test_tensors_are_denoised_as_arrays_are(dtype: torch.dtype) -> None:
    tensor = (255 * torch.from_numpy(noisy())).to(torch.uint8) if dtype == torch.uint8 else torch.from_numpy(noisy())
    tensor = tensor.to(dtype)
    array = (tensor.float() if dtype == torch.bfloat16 else tensor).numpy()
    weight = np.full(array.shape, 0.1)
    found = denoise_tv(tensor, torch.from_numpy(weight), data_weight=torch.from_numpy(weight), return_solution=True)
    assert isinstance(found.denoised, torch.Tensor)
    expected = denoise_tv(array, weight, data_weight=weight)
    np.testing.assert_array_equal(found.denoised.numpy(), expected)
    assert found.denoised.numpy().dtype == expected.dtype
    np.testing.assert_array_equal(
        denoise_tv(tensor, [torch.from_numpy(weight)] * 2, regularizer="anisotropic").numpy(),
        denoise_tv(array, [weight] * 2, regularizer="anisotropic"),
    )
