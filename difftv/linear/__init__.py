"""Linear maps: the operators K of regularizers, gradient and divergence, and the forward operators A."""

from difftv.linear.convolution import Convolution
from difftv.linear.forward import ForwardOperator, as_operator, dot_test, first_look, from_callables
from difftv.linear.fourier import Fourier
from difftv.linear.mask import Mask
from difftv.linear.matrix import Matrix, parallel_beam

__all__ = [
    "Convolution",
    "ForwardOperator",
    "Fourier",
    "Mask",
    "Matrix",
    "as_operator",
    "dot_test",
    "first_look",
    "from_callables",
    "parallel_beam",
]
