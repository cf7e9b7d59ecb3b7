"""Whole images with the noise that published tables of denoising use."""

from difftv.lab.data.cache import CleanImages
from difftv.lab.data.crops import to_tensor
from difftv.lab.data.evaluation import EvaluationItem, EvaluationItems
from difftv.noise import GaussianNoise

NOISE_SEED = 0
"""The generator is seeded with it anew for every image, so images of one size share one draw."""


class PublishedImages(EvaluationItems):
    """Whole images; noisy = clean + sigma / 255 * n, not clipped, with n = torch.randn of the image's shape in float32
    from `torch.Generator().manual_seed(0)`, seeded anew for every image.

    Args:
        images: the clean images.
        sigma: noise standard deviation in 8-bit units.

    Raises:
        ValueError: sigma is not a positive finite number.
    """

    def __init__(self, images: CleanImages, *, sigma: float) -> None:
        self.images = images
        self.sigma = sigma
        self.noise = GaussianNoise(sigma)

    def __len__(self) -> int:
        return len(self.images)

    def item(self, index: int) -> EvaluationItem:
        clean = to_tensor(self.images[index], self.images.axes)
        noisy = self.noise.corrupt(clean, seed=NOISE_SEED)
        return EvaluationItem(self.images.names[index], clean, noisy, self.sigma)
