"""Annotations hold in the first calls of every test, which see all the shapes that later calls have."""

import jaxtyping
import pytest
import torch

from difftv.metrics import psnr
from tests.typechecking import MOST, check_all_again


def test_the_first_calls_of_a_test_are_checked() -> None:
    image = torch.rand(1, 1, 4, 4)
    for _ in range(2):
        with pytest.raises(jaxtyping.TypeCheckError, match="psnr"):
            psnr(image[0], image)
        for _ in range(MOST):
            psnr(image, image)
        with pytest.raises(ValueError, match="shape"):  # our own check, which a user meets
            psnr(image[0], image)
        check_all_again()
