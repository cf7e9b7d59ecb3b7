"""The contracts of operators, regularizers and solvers on signals and volumes, with and without a spacing."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from difftv.regularizers import TGV, TVTV2, AnisotropicTV, HuberTV, IsotropicTV, Regularizer, TVpwL
from difftv.solvers import Admm, Clarabel, Exact, Solver

SPACES = {1: (9,), 3: (3, 2, 4)}
SPACING = (2.0, 0.5, 1.3)

MAKE = {
    "anisotropic": lambda **grid: AnisotropicTV(**grid),
    "anisotropic, per direction": lambda **grid: AnisotropicTV(grid["axes"], **grid),
    "anisotropic, bounds": lambda **grid: AnisotropicTV(bounds=(0.3, 0.7), **grid),
    "tvpwl, per direction": lambda **grid: TVpwL(2 * grid["axes"], **grid),
    "isotropic": lambda **grid: IsotropicTV(**grid),
    "isotropic, 2 channels": lambda **grid: IsotropicTV(channels=2, **grid),
    "huber": lambda **grid: HuberTV(delta=0.02, **grid),
    "tv_tv2": lambda **grid: TVTV2(**grid),
    "tgv": lambda **grid: TGV(delta=(0.02, 0.01), **grid),
    "tgv, exact": lambda **grid: TGV(delta=(0.0, 0.0), **grid),
}
SLOW = {("tgv", 3, True), ("tgv, exact", 3, False), ("tgv, exact", 3, True)}
"""Take ten to thirty seconds each."""

CASES = [
    pytest.param(
        name,
        axes,
        spaced,
        marks=pytest.mark.slow if (name, axes, spaced) in SLOW else (),
        id=f"{name}-{axes}{'-spaced' if spaced else ''}",
    )
    for name, axes, spaced in itertools.product(MAKE, SPACES, (False, True))
]


def made(name: str, axes: int, *, spaced: bool) -> Regularizer:
    return MAKE[name](axes=axes, spacing=SPACING[:axes] if spaced else None)


def draw(regularizer: Regularizer, batch: int = 2, seed: int = 0, space: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    space = space or SPACES[regularizer.axes]
    y = torch.rand(batch, regularizer.channels, *space, generator=generator, dtype=torch.float64)
    maps = torch.rand(batch, regularizer.num_maps, *space, generator=generator, dtype=torch.float64)
    return y, 0.02 + 0.1 * maps


def tight(kind: type[Solver], regularizer: Regularizer) -> Solver:
    if kind is Exact:
        return Exact(regularizer)
    if kind is Clarabel:
        return Clarabel(regularizer, tol=1e-11)
    return Admm(regularizer, tol=1e-8, max_iter=20000, dtype=torch.float64)


@pytest.mark.parametrize("space", [(7,), (1,), (2,), (3, 2, 4), (1, 4, 3), (2, 1, 1)], ids=str)
@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("name", MAKE)
def test_matrix_adjoint_and_symbol_agree_with_apply(name: str, space: tuple[int, ...], spaced: bool) -> None:
    regularizer = made(name, len(space), spaced=spaced)
    for term in regularizer.terms:
        operator, pixels = term.operator, int(np.prod(space))
        unit = torch.eye(operator.fields * pixels, dtype=torch.float64)
        columns = operator.apply(unit.reshape(-1, operator.fields, *space)).flatten(1)
        matrix = torch.from_numpy(operator.matrix(*space).toarray())
        torch.testing.assert_close(columns.T, matrix)
        dual = torch.eye(operator.components * pixels, dtype=torch.float64)
        rows = operator.adjoint(dual.reshape(-1, operator.components, *space)).flatten(1)
        torch.testing.assert_close(rows, matrix)
        assert operator.valid_mask(*space).shape == (operator.components, *space)
        symbol = operator.symbol(*space)
        assert symbol is not None
        blocks = np.zeros((operator.fields, pixels, operator.fields, pixels))
        for i, j in np.ndindex(operator.fields, operator.fields):
            np.fill_diagonal(blocks[i, :, j], symbol[i, j])
        basis = _basis(operator.fields, operator.channels, space)
        found = basis @ blocks.reshape(len(basis), len(basis)) @ basis.T
        np.testing.assert_allclose(found, (matrix.T @ matrix).numpy(), atol=1e-12)


def _basis(fields: int, channels: int, space: tuple[int, ...]) -> np.ndarray:
    """Columns: cosines along every axis for u; for the component of v along an axis, sines along that one."""
    blocks = [[_cosines(n) for n in space]] * channels
    if fields > channels:
        along = [[_sines(n) if k == axis else _cosines(n) for k, n in enumerate(space)] for axis in range(len(space))]
        blocks += along * channels
    basis = np.zeros((fields, int(np.prod(space)), fields, int(np.prod(space))))
    for index, factors in enumerate(blocks):
        product = np.ones((1, 1))
        for factor in factors:
            product = np.kron(product, factor)
        basis[index, :, index] = product
    return basis.reshape(fields * basis.shape[1], -1)


def _cosines(n: int) -> np.ndarray:
    i, k = np.arange(n)[:, None], np.arange(n)[None]
    return np.where(k == 0, 1 / np.sqrt(n), np.sqrt(2 / n) * np.cos(np.pi * k * (i + 0.5) / n))


def _sines(n: int) -> np.ndarray:
    i, k = np.arange(n)[:, None], np.arange(n)[None]
    return np.where((k == 0) | (i == n - 1), 0.0, np.sqrt(2 / n) * np.sin(np.pi * k * (i + 1) / n))


@pytest.mark.parametrize(("name", "axes", "spaced"), CASES)
def test_solvers_agree_and_their_certificates_are_small(name: str, axes: int, spaced: bool) -> None:
    regularizer = made(name, axes, spaced=spaced)
    y, maps = draw(regularizer)
    expected = tight(Clarabel, regularizer)(y, maps).denoised
    for kind in (Admm, Exact):
        if kind.refusal(regularizer) is not None:
            assert kind is Exact
            continue
        solution = tight(kind, regularizer)(y, maps)
        assert bool(solution.converged.all())
        assert float(solution.gap.abs().max()) < 1e-6
        torch.testing.assert_close(solution.denoised, expected, rtol=0, atol=1e-5)
        first = tight(kind, regularizer)(y[:1], maps[:1]).denoised
        torch.testing.assert_close(first, solution.denoised[:1], rtol=0, atol=1e-7)


GRADIENTS = [
    pytest.param(Exact, "anisotropic, per direction", id="exact, anisotropic"),
    pytest.param(Exact, "tvpwl, per direction", id="exact, tvpwl"),
    pytest.param(Admm, "isotropic", id="admm, isotropic"),
    pytest.param(Admm, "tgv", id="admm, tgv", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("axes", SPACES)
@pytest.mark.parametrize(("kind", "name"), GRADIENTS)
def test_gradients_are_central_differences(kind: type[Solver], name: str, axes: int) -> None:
    regularizer = made(name, axes, spaced=True)
    solver = tight(kind, regularizer)
    # Differences of the exact solver itself; else of the cone program, at entries chosen at random.
    other = solver if kind is Exact else tight(Clarabel, regularizer)
    step, allowed, entries = (1e-6, 1e-6, 99) if kind is Exact else (1e-4, 1e-2, 6)
    y, maps = draw(regularizer, batch=1, seed=5, space={1: (6,), 3: (2, 3, 2) if kind is Exact else (2, 2, 2)}[axes])
    direction = torch.randn(y.shape, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    inputs = [y.clone().requires_grad_(), maps.clone().requires_grad_()]
    (solver(*inputs).denoised * direction).sum().backward()
    moved = [y.clone(), maps.clone()]
    for values, given in zip(moved, inputs, strict=True):
        assert given.grad is not None
        flat = values.view(-1)
        chosen = torch.randperm(len(flat), generator=torch.Generator().manual_seed(7))[:entries]
        found = []
        for position in chosen:
            before, ends = float(flat[position]), []
            for sign in (1, -1):
                flat[position] = before + sign * step
                ends.append(float((other(*moved).denoised * direction).sum()))
            flat[position] = before
            found.append((ends[0] - ends[1]) / (2 * step))
        expected = torch.tensor(found, dtype=torch.float64)
        assert expected.abs().max() > 0.05
        assert (given.grad.flatten()[chosen] - expected).norm() <= allowed * expected.norm()


@pytest.mark.parametrize("name", ["anisotropic", "isotropic", pytest.param("tgv", marks=pytest.mark.slow)])
def test_permuted_axes_permute_the_answer(name: str) -> None:
    spacing, order = (2.0, 0.5, 1.3), (2, 0, 1)
    y, maps = draw(MAKE[name](axes=3), space=(4, 3, 5))
    straight = MAKE[name](axes=3, spacing=spacing)
    turned = MAKE[name](axes=3, spacing=tuple(spacing[axis] for axis in order))
    kind = Exact if Exact.refusal(straight) is None else Admm
    permutation = (0, 1, *(2 + axis for axis in order))
    expected = tight(kind, straight)(y, maps).denoised.permute(permutation)
    found = tight(kind, turned)(y.permute(permutation), maps.permute(permutation)).denoised
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["anisotropic", "tvpwl, per direction", "isotropic", "tgv"])
def test_a_volume_of_one_plane_is_an_image(name: str) -> None:
    image, volume = (MAKE[name](axes=axes) for axes in (2, 3))
    y, maps = draw(image, space=(4, 5))
    deep = maps[:, :, None]
    if volume.num_maps > image.num_maps:
        deep = torch.cat([part for group in deep.chunk(2, dim=1) for part in (group[:, :1], group)], dim=1)
    kind = Exact if Exact.refusal(image) is None else Admm
    expected = tight(kind, image)(y, maps).denoised
    torch.testing.assert_close(tight(kind, volume)(y[:, :, None], deep).denoised[:, :, 0], expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", [Exact, Admm])
@pytest.mark.parametrize("length", [1e-3, 7.0, 1e3])
def test_the_unit_of_length_does_not_matter(kind: type[Solver], length: float) -> None:
    """lam is in intensity times length, gam in intensity per length."""
    for name in ("tvpwl, per direction", "anisotropic"):
        regularizer = MAKE[name](axes=3, spacing=(2.0, 1.0, 1.0))
        other = MAKE[name](axes=3, spacing=(2.0 * length, length, length))
        y, maps = draw(regularizer)
        scaled = maps.clone()
        for channel, word in enumerate(regularizer.map_names):
            scaled[:, channel] *= length if word.startswith("lam") else 1 / length
        expected = tight(kind, regularizer)(y, maps)
        found = tight(kind, other)(y, scaled)
        assert bool(found.converged.all())
        torch.testing.assert_close(found.denoised, expected.denoised, rtol=0, atol=1e-7)


@pytest.mark.parametrize("length", [1e-3, 1e3])
def test_nor_does_it_for_second_order(length: float) -> None:
    regularizer = TGV(delta=(0.0, 0.0), axes=1, spacing=(1.0,))
    other = TGV(delta=(0.0, 0.0), axes=1, spacing=(length,))
    y, maps = draw(regularizer)
    solver = tight(Admm, other)
    scaled = torch.cat([maps[:, :1] * length, maps[:, 1:] * length**2], dim=1)
    torch.testing.assert_close(
        solver(y, scaled).denoised, tight(Admm, regularizer)(y, maps).denoised, rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("axes", SPACES)
def test_an_infinite_weight_gives_the_mean(axes: int) -> None:
    regularizer = AnisotropicTV(axes=axes)
    y, maps = draw(regularizer)
    found = Exact(regularizer)(y, torch.full_like(maps, torch.inf)).denoised
    torch.testing.assert_close(found, y.flatten(1).mean(1).view(-1, *[1] * (axes + 1)).expand_as(y))


@pytest.mark.usefixtures("jaxtyping_off")
@pytest.mark.parametrize(
    ("axes", "shape", "message"),
    [
        (3, (1, 1, 4, 5), r"\(batch, 1, depth, height, width\).*with axes=3.*take a regularizer with axes=2"),
        (2, (1, 1, 3, 4, 5), r"\(batch, 1, height, width\).*take a regularizer with axes=3"),
        (1, (9,), r"\(batch, 1, length\).*array goes in as image\[None, None\]"),
        (3, (1, 2, 3, 4, 5), r"channels are denoised each by itself as images.reshape\(-1, 1, depth, height, width\)"),
    ],
)
def test_other_numbers_of_axes_are_refused(axes: int, shape: tuple[int, ...], message: str) -> None:
    y = torch.rand(shape, dtype=torch.float64)
    with pytest.raises(ValueError, match=f"(?i){message}"):
        Exact(AnisotropicTV(axes=axes))(y, y)


def test_wrong_grids_are_refused() -> None:
    with pytest.raises(ValueError, match=r"axes must be 1 \(signals\), 2 \(images\) or 3 \(volumes\), got 4"):
        IsotropicTV(axes=4)
    with pytest.raises(ValueError, match=r"one positive number per axis, \(depth, height, width\).*got \(1.0, 2.0\)"):
        TGV(axes=3, spacing=(1.0, 2.0))
    with pytest.raises(ValueError, match=r"spacing must be a positive finite number, got -1\.0"):
        HuberTV(axes=1, spacing=(-1.0,))
    with pytest.raises(ValueError, match=r"num_maps must be 1 \(shared\) or 3 \(one per direction\), got 2"):
        AnisotropicTV(2, axes=3)
