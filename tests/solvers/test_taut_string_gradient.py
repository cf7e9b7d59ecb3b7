"""The closed-form gradient of the taut-string solver against differences, and in the cases where it is known."""

import numpy as np
import pytest
import torch
from skimage.data import camera

from difftv.regularizers import AnisotropicTV
from difftv.solvers.exact.solver import TautString

TIGHT = 1e-13


def layer(y, lam, tol=TIGHT):
    return TautString(AnisotropicTV(lam.shape[1]), tol=tol)(y, lam).denoised


def problem(seed, height, width, num_maps, batch=1):
    random = torch.Generator().manual_seed(seed)
    y = torch.randn(batch, 1, height, width, generator=random, dtype=torch.float64) / 4
    lam = 0.2 * torch.rand(batch, num_maps, height, width, generator=random, dtype=torch.float64)
    target = torch.randn(y.shape, generator=random, dtype=torch.float64)
    return y, lam, target


def loss(y, lam, target):
    return (layer(y, lam) * target).sum()


def gradients(y, lam, target):
    y, lam = y.clone().requires_grad_(), lam.clone().requires_grad_()
    return torch.autograd.grad(loss(y, lam, target), (y, lam))


def differences(y, lam, target, step=1e-6):
    """Central differences entry by entry, and where they can be trusted: the function is affine across the step."""
    answers = []
    for index in (0, 1):
        slope = torch.zeros_like((y, lam)[index])
        smooth = torch.zeros_like(slope, dtype=torch.bool)
        middle = loss(y, lam, target)
        for entry in np.ndindex(*slope.shape):
            values = []
            for move in (step, -step):
                moved = [y.clone(), lam.clone()]
                moved[index][entry] += move
                values.append(loss(*moved, target))
            slope[entry] = (values[0] - values[1]) / (2 * step)
            smooth[entry] = (values[0] - 2 * middle + values[1]).abs() < 1e-12
        answers.append((slope, smooth))
    return answers


@pytest.mark.parametrize(
    ("seed", "height", "width", "num_maps"), [(0, 6, 7, 1), (1, 7, 5, 2), (2, 1, 12, 1), (3, 9, 1, 2)]
)
def test_it_is_the_central_difference_away_from_kinks(seed, height, width, num_maps):
    case = problem(seed, height, width, num_maps)
    for gradient, (slope, smooth) in zip(gradients(*case), differences(*case), strict=True):
        assert smooth.double().mean() > 0.95
        torch.testing.assert_close(gradient[smooth], slope[smooth], rtol=1e-6, atol=2e-8)
        assert slope[smooth].abs().max() > 1e-2


def test_along_a_direction_on_a_photograph():
    random = torch.Generator().manual_seed(4)
    clean = torch.from_numpy(camera()[100:148, 200:248] / 255.0)[None, None]
    y = clean + 25 / 255 * torch.randn(clean.shape, generator=random, dtype=torch.float64)
    lam = 0.05 + 0.04 * torch.rand(1, 2, 48, 48, generator=random, dtype=torch.float64)
    grad_y, grad_lam = gradients(y, lam, clean)
    toward_y, toward_lam = (torch.randn(t.shape, generator=random, dtype=torch.float64) for t in (y, lam))
    step = 1e-8  # thousands of edges: a longer step would cross a kink
    difference = loss(y + step * toward_y, lam + step * toward_lam, clean) - loss(
        y - step * toward_y, lam - step * toward_lam, clean
    )
    exact = (grad_y * toward_y).sum() + (grad_lam * toward_lam).sum()
    assert float(difference / (2 * step)) == pytest.approx(float(exact), rel=1e-6)


def test_the_gradient_in_y_averages_over_the_components():
    y, lam, target = problem(5, 8, 8, 1)
    grad_y, _ = gradients(y, lam, target)
    u = layer(y, lam)
    for value in u.unique():
        inside = u == value
        torch.testing.assert_close(grad_y[inside], target[inside].mean().expand(int(inside.sum())))


def test_no_weight_passes_the_gradient_through_even_where_neighbours_are_equal():
    y = torch.zeros(1, 1, 4, 5, dtype=torch.float64)
    _, _, target = problem(6, 4, 5, 1)
    grad_y, _ = gradients(y, torch.zeros_like(y), target)
    assert torch.equal(grad_y, target)


def test_a_zero_weight_gets_the_slope_towards_larger_weights():
    y, lam, target = problem(15, 6, 7, 2)
    zeros = [(0, 0, 1, 2), (0, 0, 4, 5), (0, 1, 3, 3), (0, 1, 0, 0), (0, 1, 5, 4)]
    for entry in zeros:
        lam[entry] = 0.0
    _, grad_lam = gradients(y, lam, target)
    for entry in zeros:
        moved = lam.clone()
        moved[entry] = 1e-7
        slope = (loss(y, moved, target) - loss(y, lam, target)) / 1e-7
        assert float(grad_lam[entry]) == pytest.approx(float(slope), rel=1e-6, abs=1e-7)
        assert grad_lam[entry] != 0


def test_infinite_weights_average_the_gradient_and_get_none():
    y, lam, target = problem(7, 6, 5, 2)
    grad_y, grad_lam = gradients(y, torch.full_like(lam, float("inf")), target)
    torch.testing.assert_close(grad_y, target.mean().expand_as(y))
    assert torch.equal(grad_lam, torch.zeros_like(lam))


def test_a_constant_image_averages_the_gradient():
    _, lam, target = problem(8, 6, 5, 1)
    y = torch.full_like(target, 0.7)
    grad_y, _ = gradients(y, lam + 0.01, target)
    torch.testing.assert_close(grad_y, target.mean().expand_as(y))


def test_the_weights_past_the_border_get_no_gradient():
    y, lam, target = problem(9, 6, 6, 2)
    _, grad_lam = gradients(y, lam, target)
    assert torch.equal(grad_lam[:, 0, -1], torch.zeros(1, 6, dtype=torch.float64))
    assert torch.equal(grad_lam[:, 1, :, -1], torch.zeros(1, 6, dtype=torch.float64))
    assert grad_lam.abs().max() > 0


def test_a_shared_map_gets_the_sum_of_both_directions():
    y, lam, target = problem(10, 7, 8, 1)
    _, shared = gradients(y, lam, target)
    _, separate = gradients(y, lam.expand(-1, 2, -1, -1), target)
    torch.testing.assert_close(shared, separate.sum(dim=1, keepdim=True), rtol=0, atol=1e-14)


def test_the_gradient_of_a_batch_is_that_of_a_loop():
    y, lam, target = problem(11, 9, 9, 1, batch=3)
    together = gradients(y, lam, target)
    alone = [gradients(y[i : i + 1], lam[i : i + 1], target[i : i + 1]) for i in range(3)]
    for index in (0, 1):
        assert torch.equal(together[index], torch.cat([one[index] for one in alone]))


def test_two_solves_before_either_backward_do_not_mix():
    first, second = problem(12, 8, 8, 1), problem(13, 8, 8, 1)
    expected = gradients(*first)[0], gradients(*second)[0]
    leaves = [case[0].clone().requires_grad_() for case in (first, second)]
    solver = TautString(AnisotropicTV(), tol=TIGHT)
    values = [(solver(y, case[1]).denoised * case[2]).sum() for y, case in zip(leaves, (first, second), strict=True)]
    for value in values:
        value.backward()
    assert torch.equal(leaves[0].grad, expected[0])
    assert torch.equal(leaves[1].grad, expected[1])


def test_ties_of_integer_images_still_have_a_bounded_gradient():
    random = torch.Generator().manual_seed(14)
    y = torch.randint(0, 4, (1, 1, 9, 9), generator=random).double()
    _, _, target = problem(14, 9, 9, 1)
    grad_y, grad_lam = gradients(y, torch.ones_like(y), target)
    assert float(grad_y.sum()) == pytest.approx(float(target.sum()))
    assert grad_y.norm() <= target.norm()
    assert bool(grad_lam.isfinite().all())
