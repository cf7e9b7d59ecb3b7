"""`ExactTV` inside cvxpylayers itself: what SCS gives, exactly, without the canonical matrices."""

import tracemalloc

import cvxpy as cp
import numpy as np
import pytest
import torch
from cvxpylayers.torch import CvxpyLayer

from difftv.interop.cvxpylayers import ExactTV
from difftv.regularizers import AnisotropicTV
from difftv.solvers import TautString

HEIGHT, WIDTH = 6, 5


def tensor(*shape, seed=0, low=0.0):
    generator = torch.Generator().manual_seed(seed)
    return (low + torch.rand(shape, generator=generator, dtype=torch.float64)).requires_grad_()


def square(u, y):
    return 0.5 * cp.sum_squares(u - y)


def with_slices(u, y, lam):
    down, right = cp.abs(u[1:, :] - u[:-1, :]), cp.abs(u[:, :-1] - u[:, 1:])
    return square(u, y) + cp.sum(cp.multiply(lam[:-1], down)) + cp.sum(cp.multiply(lam[:, :-1], right))


def with_diff(u, y, lam):
    vertical = cp.norm1(cp.multiply(lam[: HEIGHT - 1], cp.diff(u, axis=0)))
    return cp.sum_squares(y - u) / 2 + vertical + cp.sum(cp.abs(cp.multiply(cp.diff(u, axis=1), lam[:, : WIDTH - 1])))


def with_matrices(u, y, lam):
    # A matrix of the user's own, whichever way round it subtracts.
    matrix = np.diff(np.eye(HEIGHT), axis=0)
    vertical, horizontal = cp.abs(matrix @ u), cp.abs(cp.diff(u.T, axis=0))
    return square(u, y) + cp.sum(cp.multiply(lam[:-1], vertical)) + cp.sum(cp.multiply(lam.T[:-1], horizontal))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # cvxpylayers' own path
@pytest.mark.parametrize("write", [with_slices, with_diff, with_matrices])
def test_answer_and_gradients_are_those_through_scs(write):
    u, y, lam = cp.Variable((HEIGHT, WIDTH)), cp.Parameter((HEIGHT, WIDTH)), cp.Parameter((HEIGHT, WIDTH), nonneg=True)
    problem = cp.Problem(cp.Minimize(write(u, y, lam)))
    weight = torch.linspace(0.3, 1.7, HEIGHT * WIDTH, dtype=torch.float64).reshape(HEIGHT, WIDTH)
    found = []
    for solver, arguments in ((ExactTV(), {}), (None, {"eps": 1e-9, "max_iters": 100_000})):
        layer = CvxpyLayer(problem, parameters=[y, lam], variables=[u], solver=solver)
        data, maps = tensor(HEIGHT, WIDTH), tensor(HEIGHT, WIDTH, seed=1, low=0.2).detach().div(8).requires_grad_()
        (answer,) = layer(data, maps, solver_args=arguments)
        (weight * answer).sum().backward()
        found.append((answer.detach(), data.grad, maps.grad))
    # SCS and the derivative of its cone program are as accurate as that: its gradients to 1e-4.
    for own, scs, accuracy in zip(*found, (1e-7, 1e-4, 1e-4), strict=True):
        torch.testing.assert_close(own, scs, rtol=0, atol=accuracy)
    assert found[0][2].abs().max() > 0.1


def scalar_layer(lams=1):
    u, y = cp.Variable((HEIGHT, WIDTH)), cp.Parameter((HEIGHT, WIDTH))
    weights = [cp.Parameter(nonneg=True) for _ in range(lams)]
    down, right = cp.norm1(cp.diff(u, axis=0)), cp.norm1(cp.diff(u, axis=1))
    tv = weights[0] * (down + right) if lams == 1 else weights[0] * down + weights[1] * right
    return CvxpyLayer(cp.Problem(cp.Minimize(square(u, y) + tv)), [y, *weights], [u], solver=ExactTV())


def test_a_batch_is_a_loop_and_numbers_are_shared_or_one_per_image():
    layer, y = scalar_layer(lams=2), tensor(3, HEIGHT, WIDTH)
    vertical, horizontal = tensor(3, seed=1), tensor(seed=2)
    (answer,) = layer(y, vertical, horizontal)
    loss = answer.square().sum()
    loss.backward(retain_graph=True)
    maps = torch.stack([vertical, horizontal.expand(3)], dim=1).detach().requires_grad_()
    images = y.detach().requires_grad_()
    full = maps[:, :, None, None].expand(3, 2, HEIGHT, WIDTH)
    expected = TautString(AnisotropicTV(2))(images[:, None], full).denoised[:, 0]
    expected.square().sum().backward()
    torch.testing.assert_close(answer, expected)
    torch.testing.assert_close(y.grad, images.grad)
    torch.testing.assert_close(vertical.grad, maps.grad[:, 0])
    torch.testing.assert_close(horizontal.grad, maps.grad[:, 1].sum())
    before = y.grad.clone()
    loss.backward()
    torch.testing.assert_close(y.grad, 2 * before)
    with torch.no_grad():
        assert torch.equal(layer(y[1], vertical[1], horizontal)[0], answer[1])


def test_single_precision_goes_in_and_gradients_come_back_in_it():
    y = tensor(HEIGHT, WIDTH).detach().float().requires_grad_()
    (answer,) = scalar_layer()(y, torch.tensor(0.1))
    answer.sum().backward()
    assert y.grad.dtype == torch.float32
    torch.testing.assert_close(y.grad, torch.ones_like(y))


def test_one_interface_serves_several_layers_and_leaves_the_problem_as_it_was():
    interface = ExactTV()
    layers = []
    for size in (4, 6):
        u, y, lam = cp.Variable(size), cp.Parameter(size), cp.Parameter(nonneg=True)
        y.value, u.value = np.arange(size), np.ones(size)
        problem = cp.Problem(cp.Minimize(square(u, y) + lam * cp.tv(u)))
        layers += [CvxpyLayer(problem, [lam, y], [u], solver=interface) for _ in range(2)]
        assert np.array_equal(y.value, np.arange(size))
        assert np.array_equal(u.value, np.ones(size))
        assert lam.value is None
        lam.value = 0.5
        problem.solve(solver=cp.CLARABEL)
        for layer in layers[-2:]:
            (answer,) = layer(torch.tensor(0.5).double(), torch.arange(size).double())
            np.testing.assert_allclose(answer, u.value, atol=1e-6)
    assert layers[0](torch.tensor(0.5), torch.arange(4.0))[0].shape == (4,)


def test_no_canonical_matrices_are_built():
    peak = {}
    for side in (24, 48):
        u, y, lam = cp.Variable((side, side)), cp.Parameter((side, side)), cp.Parameter((side, side), nonneg=True)
        down, right = cp.multiply(lam[:-1], cp.diff(u, axis=0)), cp.multiply(lam[:, :-1], cp.diff(u, axis=1))
        problem = cp.Problem(cp.Minimize(square(u, y) + cp.norm1(down) + cp.norm1(right)))
        for solver in (ExactTV(), None):
            tracemalloc.start()
            layer = CvxpyLayer(problem, [y, lam], [u], solver=solver)
            peak[side, solver is None] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            if solver is not None:
                assert layer.A.shape == (0, 2 * side**2 + 1)
                assert layer.q.values().numel() == 2 * side**2 + 1
    # Four times the pixels: memory goes with them here, with their square through SCS.
    assert peak[48, False] < 6 * peak[24, False]
    assert peak[48, True] > 10 * peak[24, True]
    assert peak[48, True] > 10 * peak[48, False]


U, Y, LAM = cp.Variable((HEIGHT, WIDTH)), cp.Parameter((HEIGHT, WIDTH)), cp.Parameter(nonneg=True)
MAP, SIGNED = cp.Parameter((HEIGHT, WIDTH), nonneg=True), cp.Parameter()
DOWN = cp.norm1(cp.diff(U, axis=0))
OTHER = cp.Variable((HEIGHT, WIDTH))


@pytest.mark.parametrize(
    ("objective", "constraints", "message"),
    [
        (square(U, Y) + LAM * DOWN, [U >= 0], "it has constraints"),
        (square(U, Y) + LAM * DOWN + cp.norm1(OTHER - U), [], "2 variables"),
        (cp.sum_squares(U - Y) + LAM * DOWN, [], "has the factor 1, and must have 0.5"),
        (square(U, Y), [], "no total variation"),
        (LAM * DOWN + cp.sum(cp.multiply(Y, U)), [], "0 quadratic terms"),
        (square(U, Y) + square(U, 0) + LAM * DOWN, [], "2 quadratic terms"),
        (square(U, 2 * Y) + LAM * DOWN, [], "not of u minus a parameter"),
        (square(U + Y, 0) + LAM * DOWN, [], "not of u minus a parameter"),
        (square(2 * U, Y) + LAM * DOWN, [], "not of u - y, pixel by pixel"),
        (square(U[1:], Y[1:]) + LAM * DOWN, [], "not of u - y, pixel by pixel"),
        (square(cp.multiply(np.arange(30.0).reshape(6, 5), U), Y) + LAM * DOWN, [], "pixel by pixel"),
        (square(U, Y) + LAM * cp.tv(U), [], "isotropic total variation"),
        (square(U, Y) + LAM * cp.norm1(U), [], "not made of differences of two pixels"),
        (square(U, Y) + LAM * cp.norm1(cp.diff(U, k=2, axis=0)), [], "not made of differences of two pixels"),
        (square(U, Y) + LAM * cp.norm1(2 * cp.diff(U, axis=0)), [], "not made of differences of two pixels"),
        (square(U, Y) + LAM * cp.norm1(U[1:] + U[:-1]), [], "not made of differences of two pixels"),
        (square(U, Y) + LAM * cp.norm1(U[1:, 1:] - U[:-1, :-1]), [], r"\(0, 0\) and \(1, 1\), which are not neighb"),
        (square(U, Y) + LAM * cp.norm1(U[2:] - U[:-2]), [], "not neighbours"),
        (square(U, Y) + LAM * cp.norm1(cp.diff(U, axis=0) - 0.1), [], "a constant beside the difference"),
        (square(U, Y) + cp.norm1(cp.multiply(MAP[1:], U[1:] - MAP[:-1])), [], "must be DPP"),
        (square(U, Y) + DOWN + 0 * LAM, [], "have no weight"),
        (square(U, Y) + 0.1 * DOWN, [], "not made of entries of one parameter"),
        (square(U, Y) + 2 * LAM * DOWN, [], "not made of entries of one parameter"),
        (square(U, Y) + (LAM + MAP[0, 0]) * DOWN, [], "not made of entries of one parameter"),
        (square(U, Y) + cp.norm1(cp.multiply(SIGNED, cp.diff(U, axis=0))), [], "may be negative"),
        (square(U, Y) + LAM * DOWN + cp.max(U), [], "not a sum of a nonnegative parameter times absolute"),
        (square(U, Y) + LAM * cp.sum(cp.huber(cp.diff(U, axis=0))), [], "times absolute differences"),
        (square(U, Y) + LAM * cp.sum(cp.max(cp.abs(cp.diff(U, axis=0)), axis=0)), [], "times absolute differences"),
    ],
    ids=str,
)
def test_another_problem_is_refused_before_it_is_compiled(objective, constraints, message):
    problem = cp.Problem(cp.Minimize(objective), constraints)
    with pytest.raises(ValueError, match=message):
        CvxpyLayer(problem, problem.parameters(), [U], solver=ExactTV())


@pytest.mark.parametrize("attribute", ["nonneg", "symmetric", "integer"])
def test_an_attribute_of_the_image_is_refused(attribute):
    u, y, lam = cp.Variable((5, 5), **{attribute: True}), cp.Parameter((5, 5)), cp.Parameter(nonneg=True)
    problem = cp.Problem(cp.Minimize(square(u, y) + lam * cp.norm1(cp.diff(u, axis=0))))
    with pytest.raises(ValueError, match=f"has the attribute {attribute}"):
        CvxpyLayer(problem, [y, lam], [u], solver=ExactTV())


def test_what_is_wrong_at_a_call_is_refused():
    layer = scalar_layer()
    with pytest.raises(ValueError, match="must be >= 0 everywhere"):
        layer(tensor(HEIGHT, WIDTH), torch.tensor(-0.1))
    with pytest.raises(ValueError, match="noisy holds NaN"):
        layer(tensor(HEIGHT, WIDTH) * float("nan"), torch.tensor(0.1))
    with pytest.raises(ValueError, match=r"ExactTV has no options per call.*eps"):
        layer(tensor(HEIGHT, WIDTH), torch.tensor(0.1), solver_args={"eps": 1e-3})
