"""The active-set method on tensors: autograd, batches, threads, forks."""

import pytest
import torch

from difftv.solvers.exact.simplex import minimise
from tests.solvers.active_set_problems import image_like
from tests.solvers.forks import in_a_fork, needs_fork


def batch_of(count, directions=2, height=20, width=23):
    problems = [image_like(seed, height, width, directions) for seed in range(count)]
    y, lam, gam = (torch.stack([torch.from_numpy(p[index]) for p in problems]) for index in range(3))
    return y[:, None], lam, gam


def value_and_gradients(y, lam, gam):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (y, lam, gam)]
    minimum = minimise(*leaves, 2000)
    minimum.u.pow(3).sum().backward()
    return minimum.u.detach(), *(leaf.grad for leaf in leaves)


@pytest.mark.parametrize("directions", [2, 4])
def test_autograd_agrees_with_differences(directions):
    y, lam, gam = batch_of(2, directions, 5, 4)
    leaves = [tensor.requires_grad_() for tensor in (y, lam, gam)]
    assert torch.autograd.gradcheck(lambda *arguments: minimise(*arguments, 2000).u, leaves, eps=1e-7, atol=1e-6)


def test_a_batch_is_a_loop_and_the_bits_do_not_depend_on_the_threads():
    case = batch_of(5)
    torch.set_num_threads(1)
    expected = value_and_gradients(*case)
    for threads in (1, 2, 3, 8):
        torch.set_num_threads(threads)
        for got, want in zip(value_and_gradients(*case), expected, strict=True):
            assert torch.equal(got, want)
    for index in range(5):
        alone = value_and_gradients(*(tensor[index : index + 1] for tensor in case))
        for got, want in zip(alone, expected, strict=True):
            assert torch.equal(got[0], want[index])


@needs_fork
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_after_use_gives_the_same_bits():
    torch.set_num_threads(2)
    case = batch_of(3)
    expected = value_and_gradients(*case)
    torch.set_num_threads(1)  # what a DataLoader does in its workers; torch's own pools do not survive a fork
    for mine, want in zip(in_a_fork(value_and_gradients, *case), expected, strict=True):
        assert torch.equal(mine, want)
