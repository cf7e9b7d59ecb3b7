"""Stein's unbiased estimate of the squared error."""

from typing import ClassVar, final

import torch
from torch import Tensor

from difftv.lab.losses.base import NoisyImages, WithoutClean
from difftv.noise import GaussianNoise, Noise, SignalDependent
from difftv.space import inner, per_image
from difftv.types import Image, PerImage

STEP = 0.05
"""Length of the probe's step over the noise, as in `difftv.sure`."""


@final
class Sure(WithoutClean):
    """Stein's unbiased estimate of the mean squared error: training sees no clean image; smaller = better.

        mean (denoised - noisy)^2 - s^2 + 2 s^2 mean_i d denoised_i / d noisy_i,      s the noise's standard deviation

    for white Gaussian noise. The divergence is that of network and solver together, from one random probe b of signs:
    mean_i b_i (denoised(noisy + e b) - denoised(noisy))_i / e, a second solve. Of Poisson-Gaussian noise every pixel
    has a variance of its own, estimated without bias by gain (noisy_i - black level) + (sigma / 255)^2, and its own
    term of the divergence: right to first order in the gain.

    References: Soltanayev and Chun 2018, "Training deep learning based denoisers without ground truth data"; Le
    Montagner, Angelini and Olivo-Marin 2014, "An unbiased risk estimator for image denoising in the presence of mixed
    Poisson-Gaussian noise".
    """

    kinds: ClassVar[tuple[type[Noise], ...]] = (GaussianNoise, SignalDependent)

    def forward(self, denoised: Image, noisy: Image, noise_std: PerImage, change: PerImage) -> Tensor:
        """
        Args:
            denoised: denoised images.
            noisy: noisy images that they were made from.
            noise_std: standard deviation of the noise of every image, on images in [0, 1].
            change: probed mean of d denoised_i / d noisy_i of every image.
        """
        return _estimate(denoised, noisy, noise_std, change).mean()

    def per_image(self, images: NoisyImages) -> PerImage:
        noisy, std = images.noisy, images.noise_std
        generator = torch.Generator("cpu").manual_seed(images.seed)
        number = len(noisy) if images.whole is None else images.whole
        drawn = torch.randint(0, 2, (number, *noisy.shape[1:]), generator=generator, device="cpu")
        signs = (2 * drawn[images.first : images.first + len(noisy)] - 1).to(device=noisy.device).to(dtype=noisy.dtype)
        step = per_image(STEP * std, noisy)
        moved = images.denoise(noisy + step * signs, images.sigma)
        change = signs * (moved - images.denoised) / step
        if isinstance(images.kind, SignalDependent):
            variance = images.kind.variance_without_bias(noisy)
            return ((images.denoised - noisy).square() + variance * (2 * change - 1)).mean(dim=inner(noisy))
        return _estimate(images.denoised, noisy, std, change.mean(dim=inner(noisy)))


def _estimate(denoised: Image, noisy: Image, noise_std: PerImage, change: PerImage) -> PerImage:
    variance = noise_std.square()
    return (denoised - noisy).square().mean(dim=inner(noisy)) - variance + 2 * variance * change
