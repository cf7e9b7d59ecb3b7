"""The gradient from components and signs, equations 3 and 4 of `exact/solver.py`."""

import numpy as np
from numpy.typing import NDArray

from difftv.solvers._compiler import Array, kernel
from difftv.solvers.exact.merge_split.flow_problem import strides_of


def gradient(grad: Array, sign: NDArray[np.int8], label: NDArray[np.uint32], grad_y: Array, grad_lam: Array) -> None:
    """From dL/du to dL/dy and dL/dlam of one signal, image or volume; all arrays are contiguous.

    Args:
        grad: (*space).
        sign: (directions, *space), the last axis first: of u here less u there, 0 within a component and past the
            border.
        label: (*space), the index of one of the component's pixels.
        grad_y: (*space), written.
        grad_lam: (directions, *space), zeros, written; the last axis first.
    """
    flat = grad.ndim, grad.size
    arrays = sign.reshape(flat), label.reshape(-1), grad_y.reshape(-1), grad_lam.reshape(flat)
    _pull_back(grad.reshape(-1), strides_of(grad.shape), *arrays)


@kernel
def _pull_back(grad, strides, sign, label, mean, grad_lam):
    """Gradient of a loss in y and lam.

    Args:
        grad: (pixels,), dL/du.
        strides: steps from a pixel to the next, per direction.
        sign: (directions, pixels), of u here less u there, 0 within a component and past the border.
        label: (pixels,), the index of one of the component's pixels.
        mean: (pixels,), where dL/dy is written.
        grad_lam: (directions, pixels), zeros, where dL/dlam is written.
    """
    size = grad.shape[0]
    count = np.zeros(size, np.uint32)
    total = np.zeros(size)
    for k in range(size):
        count[label[k]] += 1
        total[label[k]] += grad[k]
    for k in range(size):
        mean[k] = total[label[k]] / count[label[k]]
    for d in range(len(strides)):
        for k in range(size - strides[d]):
            # Within a component the two means are the same number, so the product is an exact zero there.
            grad_lam[d, k] -= sign[d, k] * (mean[k] - mean[k + strides[d]])
