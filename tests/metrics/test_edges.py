import numpy as np
import pytest
import torch
from scipy.ndimage import laplace, prewitt
from scipy.stats import wasserstein_distance

from difftv.metrics import epi, fom, gmsd, gradient_ratio, gradient_w1
from difftv.metrics.masks import gradient_length


def step(column, contrast=0.5, size=(32, 40)):
    """A step whose middle is the pixel `column`: Canny finds that column, and not two of equal slope."""
    image = torch.full((1, 1, *size), 0.2, dtype=torch.float64)
    image[..., column] += contrast / 2
    image[..., column + 1 :] += contrast
    return image


@pytest.mark.parametrize("contrast", [0.5, 1.0, 1.5])
def test_gradient_ratio_is_the_loss_of_contrast(photographs, contrast):
    clean = photographs[0]
    scaled = 0.5 + contrast * (clean - 0.5)
    torch.testing.assert_close(gradient_ratio(scaled, clean), torch.full((2,), contrast, dtype=clean.dtype))


def test_gradient_ratio_sees_blur_although_the_total_variation_is_kept():
    clean, blurred = torch.full((2, 1, 1, 32, 40), 0.2, dtype=torch.float64)
    clean[..., 20:] = blurred[..., 20:] = 0.8
    blurred[..., 18:21] = torch.tensor([0.35, 0.5, 0.65])
    torch.testing.assert_close(gradient_length(blurred).sum(), gradient_length(clean).sum())
    assert gradient_ratio(blurred, clean).item() == pytest.approx(1 / 4)


def test_epi_is_the_correlation_of_laplacians(photographs):
    clean, denoised = photographs
    expected = [
        np.corrcoef(laplace(u[0].numpy(), mode="nearest").ravel(), laplace(x[0].numpy(), mode="nearest").ravel())[0, 1]
        for u, x in zip(denoised, clean, strict=True)
    ]
    np.testing.assert_allclose(epi(denoised, clean), expected)
    torch.testing.assert_close(epi(0.3 + 0.5 * clean, clean), torch.ones(2, dtype=clean.dtype))
    torch.testing.assert_close(epi(1.0 - clean, clean), -torch.ones(2, dtype=clean.dtype))


@pytest.mark.parametrize("shift", [0, 1, 2, 5])
def test_fom_of_a_shifted_edge(shift):
    assert fom(step(18 + shift), step(18)).item() == pytest.approx(1 / (1 + shift**2 / 9))


def test_fom_punishes_lost_and_invented_edges():
    clean, both = step(10), step(10) + step(30) - 0.2
    assert fom(torch.full_like(clean, 0.4), clean).item() == 0.0
    assert fom(clean, both).item() == pytest.approx(0.5)
    assert fom(both, clean).item() == pytest.approx((1 + 1 / (1 + 20**2 / 9)) / 2)


def test_fom_takes_its_thresholds_from_the_clean_image():
    # At a tenth of the contrast the edge is below the clean image's threshold; with its own it would be found.
    assert fom(step(18, contrast=0.05), step(18)).item() == 0.0
    assert fom(step(18, contrast=0.05), step(18, contrast=0.05)).item() == 1.0


@pytest.mark.parametrize("level", [1.0, 2.0])
def test_a_ramp_is_no_edge_to_locate(level):
    clean = (torch.arange(40.0) * level / 255).expand(1, 1, 32, 40)
    assert fom(clean, clean).isnan().all()
    assert fom(4.0 * clean, 4.0 * clean).item() == 1.0


def test_gmsd_is_its_equation(photographs):
    clean, denoised = photographs

    def magnitude(image):
        half = image.reshape(24, 2, 20, 2).mean(axis=(1, 3))
        return np.hypot(prewitt(half, axis=0, mode="nearest"), prewitt(half, axis=1, mode="nearest")) / 3

    for image in range(2):
        a, b = magnitude(denoised[image, 0].numpy()), magnitude(clean[image, 0].numpy())
        c = 170 / 255**2
        expected = np.std((2 * a * b + c) / (a**2 + b**2 + c))
        assert gmsd(denoised, clean)[image].item() == pytest.approx(expected)
    torch.testing.assert_close(gmsd(clean, clean), torch.zeros(2, dtype=clean.dtype))


def test_gradient_w1_agrees_with_scipy(photographs):
    clean, denoised = photographs
    expected = [
        wasserstein_distance(gradient_length(u[None]).flatten(), gradient_length(x[None]).flatten())
        for u, x in zip(denoised, clean, strict=True)
    ]
    np.testing.assert_allclose(gradient_w1(denoised, clean), expected)
