"""Whole images with the noise that published tables of denoising use."""

from difftv.lab.data.cache import CleanImages
from difftv.lab.data.crops import to_tensor
from difftv.lab.data.evaluation import EvaluationItem, EvaluationItems
from difftv.lab.data.patches import level_and_kind
from difftv.noise import GaussianNoise, Noise, as_noise

NOISE_SEED = 0
"""The generator is seeded with it anew for every image, so images of one size share one draw."""


class PublishedImages(EvaluationItems):
    """Whole images; noisy = clean + sigma / 255 * n, not clipped, with n = torch.randn of the image's shape in float32
    from `torch.Generator().manual_seed(0)`, seeded anew for every image.

    Args:
        images: the clean images.
        sigma: noise standard deviation in 8-bit units, or noise of another kind, drawn from a generator of that seed.

    Raises:
        ValueError: sigma is not a positive finite number.
    """

    def __init__(self, images: CleanImages, *, sigma: float | Noise) -> None:
        self.images = images
        self.noise = as_noise(sigma)

    @property
    def sigma(self) -> float:
        """Standard deviation of white noise in 8-bit units.

        Raises:
            ValueError: it is noise of another kind, see `noise`.
        """
        if not isinstance(self.noise, GaussianNoise):
            raise ValueError(f"sigma alone does not describe {self.noise}: use noise.")
        return float(self.noise.sigma)

    def __len__(self) -> int:
        return len(self.images)

    def item(self, index: int) -> EvaluationItem:
        clean = to_tensor(self.images[index], self.images.axes)
        noisy = self.noise.corrupt(clean, seed=NOISE_SEED)
        sigma, kind = level_and_kind(self.noise, clean)
        return EvaluationItem(self.images.names[index], clean, noisy, sigma, kind=kind)
