"""Whether an accelerator computes what the CPU does; asked once per device and process, at first use."""

import torch
from torch import Tensor

from difftv.errors import AcceleratorError
from difftv.problem import DataTerm, Problem
from difftv.regularizers import TGV, EightNeighbourTV, Regularizer
from difftv.solvers._admm.splitting import Splitting

SIDE, ITERATIONS = 16, 30
TOLERANCE = 1e-3
"""Over the largest entry; float32 stays below 1e-5."""

_passed: set[tuple[str, torch.dtype]] = set()


def check_device(device: torch.device, dtype: torch.dtype) -> None:
    """Compare a small solve and its gradient with the CPU's in float64.

    Raises:
        ValueError: the device has no such precision.
        AcceleratorError: the results differ.
    """
    key = str(device), dtype
    if key in _passed:
        return
    if dtype == torch.float64 and device.type == "mps":
        raise ValueError("mps has no float64: take dtype=torch.float32, or bring the tensors to the CPU.")
    for regularizer in (TGV(), EightNeighbourTV()):
        inputs = _inputs(regularizer)
        expected = _answers(regularizer, inputs)
        found = _answers(regularizer, [part.to(dtype).to(device) for part in inputs])
        for name, ours, theirs in zip(("image", "gradient in y", "gradient in the maps"), found, expected, strict=True):
            error = (ours.contiguous().cpu().double() - theirs).abs().max() / theirs.abs().max()
            if not bool(error <= TOLERANCE):
                raise AcceleratorError(
                    f"{device} computes wrong numbers: the {name} of a {SIDE}x{SIDE} test with {regularizer.name} is "
                    f"off by {float(error):.1e}. Solve on the CPU instead: solver(noisy.cpu(), lam.cpu()), or "
                    "set device to cpu; another version of torch may be right."
                )
    _passed.add(key)


def _inputs(regularizer: Regularizer) -> list[Tensor]:
    """Images, maps and a gradient, on the CPU in float64."""
    generator = torch.Generator().manual_seed(0)
    image = (2, regularizer.channels, SIDE, SIDE)
    shapes = (image, (2, regularizer.num_maps, SIDE, SIDE), image)
    return [torch.rand(shape, generator=generator, dtype=torch.float64, device="cpu") for shape in shapes]


def _answers(regularizer: Regularizer, inputs: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    y, maps, grad = inputs
    splitting = Splitting.of(Problem(DataTerm(y), regularizer, 0.1 * maps))
    found = splitting.solve(0.0, ITERATIONS)
    return (found.x[:, : regularizer.channels], *splitting.pull_back(found.states, grad - 0.5, 0.0, ITERATIONS)[:2])
