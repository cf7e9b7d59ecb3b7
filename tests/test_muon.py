"""Steps of Muon: orthogonal for hidden layers, as in torch for matrices; those of Adam for the rest."""

import pytest
import torch
from torch import Tensor, nn

from difftv.lab.training.muon import Muon, is_hidden, orthogonalised
from difftv.predictors import Dilated


def matrix(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


def steps_of(optimizer: torch.optim.Optimizer, weight: nn.Parameter, steps: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step()
    return weight.detach()


@pytest.mark.parametrize("shape", [(20, 20), (16, 50), (50, 16)])
def test_singular_values_come_near_1_and_the_vectors_stay(shape: tuple[int, int]) -> None:
    given = matrix(*shape)
    left, _, right = torch.linalg.svd(given, full_matrices=False)
    found = left.T @ orthogonalised(given) @ right.T
    values = found.diagonal()
    assert 0.6 < float(values.min()) <= float(values.max()) < 1.25
    torch.testing.assert_close(found, values.diag(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(16, 40), (40, 16)])
def test_matrices_take_the_steps_of_torch(shape: tuple[int, int]) -> None:
    """Which iterates in bfloat16."""
    ours, theirs = (nn.Parameter(matrix(*shape)) for _ in range(2))
    found = steps_of(Muon([ours], lr=0.1), ours)
    expected = steps_of(torch.optim.Muon([theirs], lr=0.1, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"), theirs)
    moved = expected - matrix(*shape)
    assert float((found - expected).norm() / moved.norm()) < 0.02


def test_a_convolution_is_the_matrix_of_its_outputs() -> None:
    kernel, flat = nn.Parameter(matrix(16, 180).view(16, 20, 3, 3)), nn.Parameter(matrix(16, 180))
    torch.testing.assert_close(steps_of(Muon([kernel]), kernel).flatten(1), steps_of(Muon([flat]), flat))


@pytest.mark.parametrize("shape", [(16,), (8, 40), (40, 8, 3, 3)])
def test_the_rest_takes_the_steps_of_adam(shape: tuple[int, ...]) -> None:
    ours, theirs = (nn.Parameter(torch.ones(shape)) for _ in range(2))
    assert not is_hidden(ours)
    torch.testing.assert_close(
        steps_of(Muon([ours], lr=0.01), ours), steps_of(torch.optim.Adam([theirs], lr=0.01), theirs)
    )


def test_hidden_layers_of_a_network() -> None:
    predictor = Dilated(4, width=16)
    hidden = [name for name, weight in predictor.named_parameters() if is_hidden(weight)]
    assert hidden == [f"network.hidden.{index}.weight" for index in range(6)]


def test_weights_without_a_gradient_stay_and_a_state_goes_on() -> None:
    whole, first = (nn.Parameter(matrix(16, 20)) for _ in range(2))
    idle = nn.Parameter(torch.ones(16, 16))
    steps_of(Muon([whole, idle]), whole, 4)
    assert torch.equal(idle, torch.ones(16, 16))
    generator = torch.Generator().manual_seed(1)
    optimizer = Muon([first])
    for step in range(4):
        if step == 2:
            saved = optimizer.state_dict()
            optimizer = Muon([first])
            optimizer.load_state_dict(saved)
        first.grad = torch.randn(first.shape, generator=generator)
        optimizer.step()
    assert torch.equal(first, whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1.0}, "lr must be"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1.0"),
        ({"betas": (0.9, -0.1)}, r"betas must be in \[0, 1\), got -0.1"),
        ({"iterations": 0}, "iterations must be a positive integer"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Muon([nn.Parameter(torch.ones(16, 16))], **options)
