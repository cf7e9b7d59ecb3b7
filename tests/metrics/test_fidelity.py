import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from difftv.metrics import masks_of, psnr, psnr_edge, psnr_smooth, quantize, ssim


def test_psnr_of_a_known_error():
    clean = torch.full((2, 1, 5, 7), 0.5, dtype=torch.float64)
    offset = torch.tensor([0.1, 0.01], dtype=torch.float64)[:, None, None, None]
    torch.testing.assert_close(psnr(clean + offset, clean), torch.tensor([20.0, 40.0], dtype=torch.float64))


def test_psnr_agrees_with_scikit_image(photographs):
    clean, denoised = photographs
    expected = [
        peak_signal_noise_ratio(x[0].numpy(), u[0].numpy(), data_range=1.0)
        for u, x in zip(denoised, clean, strict=True)
    ]
    np.testing.assert_allclose(psnr(denoised, clean), expected, rtol=1e-12)


def test_psnr_of_equal_images_is_infinite():
    image = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert psnr(image, image).item() == float("inf")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(48, 40), (11, 11), (12, 33)])
def test_ssim_agrees_with_scikit_image(photographs, size, dtype):
    clean, denoised = (image[:, :, : size[0], : size[1]].to(dtype) for image in photographs)
    expected = [
        structural_similarity(
            x[0].numpy(), u[0].numpy(), data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for u, x in zip(denoised, clean, strict=True)
    ]
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    np.testing.assert_allclose(ssim(denoised, clean), expected, atol=tolerance)


@pytest.mark.parametrize("size", [(1, 1), (1, 20), (20, 1), (2, 2), (10, 7), (64, 3)])
def test_ssim_of_an_image_smaller_than_the_window(size):
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(2, 1, *size, generator=generator, dtype=torch.float64)
    denoised = (clean + 0.1 * torch.randn(clean.shape, generator=generator, dtype=torch.float64)).requires_grad_()
    value = ssim(denoised, clean)
    assert bool(((value > -1.0) & (value < 1.0)).all())
    value.sum().backward()
    assert bool(denoised.grad.isfinite().all())
    torch.testing.assert_close(ssim(clean, clean), torch.ones(2, dtype=torch.float64))


def test_ssim_of_single_pixels_is_its_luminance_term():
    a, b = torch.tensor([0.2, 0.7], dtype=torch.float64), torch.tensor([0.3, 0.7], dtype=torch.float64)
    expected = (2 * a * b + 0.01**2) / (a**2 + b**2 + 0.01**2)
    torch.testing.assert_close(ssim(a.view(2, 1, 1, 1), b.view(2, 1, 1, 1)), expected)


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize("shape", [(2, 1, 6, 5), (1, 1, 13, 12)])
def test_gradient(metric, shape):
    generator = torch.Generator().manual_seed(0)
    clean, denoised = torch.rand(2, *shape, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda image: metric(image, clean), denoised.requires_grad_())


def test_quantize_is_what_an_8_bit_file_holds():
    values = torch.tensor([-0.3, 0.0, 0.4 / 255, 0.6 / 255, 127.2 / 255, 1.0, 1.7]).view(1, 1, 1, 7)
    levels = (quantize(values) * 255).flatten()
    torch.testing.assert_close(levels, torch.tensor([0.0, 0.0, 0.0, 1.0, 127.0, 255.0, 255.0]))


def test_the_regional_psnrs_see_only_their_region(cases):
    clean = cases["truth"]
    masks = masks_of(clean)
    for metric, mask in ((psnr_smooth, masks.smooth), (psnr_edge, masks.edge)):
        inside = clean + 0.1 * mask
        outside = clean + 0.1 * ~mask
        assert metric(inside, clean).item() == pytest.approx(20.0)
        assert metric(outside, clean).item() == float("inf")
