"""The noise level that a command tells the network: given, known from the training, or estimated; and what it says."""

import contextlib
import math
import warnings
from collections.abc import Iterator

from torch import Tensor

from difftv.colour import ChannelImage, estimate_image_noise
from difftv.errors import ConfigError, DataError, NoiseLevelWarning
from difftv.models.stored import StoredModel
from difftv.noise import GaussianNoise, Noise, PoissonGaussian, SigmaRange, checked_sigma
from difftv.noise.estimate import CLIPPED
from difftv.printing import print_safely


@contextlib.contextmanager
def levels_told() -> Iterator[None]:
    """Without warnings of noise levels that a model was not trained for, of which the functions below tell the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseLevelWarning)
        yield


def check_sigma(sigma: float | None, stored: StoredModel) -> None:
    """Check --sigma, and say where it is a level that the model was not trained for.

    Raises:
        ConfigError: it is no noise level.
    """
    if sigma is None:
        return
    try:
        checked_sigma(sigma, "--sigma")
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if stored.sigma_range is not None and not stored.sigma_range[0] <= sigma <= stored.sigma_range[1]:
        print_safely(
            f"--sigma {sigma:g} is not what the run was trained for ({_trained(stored)}): results may be "
            "worse than at the trained levels",
            error=True,
        )


def known_sigma(sigma: float | None, stored: StoredModel) -> float:
    """The noise level without looking at an image: --sigma, or the one level that the model was trained for.

    Raises:
        ConfigError: --sigma is no noise level, or is missing where the model does not say.
    """
    check_sigma(sigma, stored)
    if sigma is not None:
        return sigma
    if stored.sigma is not None:
        return stored.sigma
    if stored.noise is None:
        raise ConfigError(f"The configuration of {stored.path} holds no sigma: give the noise as --sigma.")
    raise ConfigError(f"{stored.path} was trained for sigma {_trained(stored)}: give the noise as --sigma LEVEL.")


def given_noise(word: str, *words: str) -> str | PoissonGaussian:
    """The value of --noise: one of some words, or the noise that two numbers stand for.

    Raises:
        ConfigError: neither.
    """
    if word in words:
        return word
    try:
        gain, sigma = map(float, word.split(","))
        return PoissonGaussian(gain, sigma)
    except ValueError as error:
        listed = f"{', '.join(words)} or " if words else ""
        raise ConfigError(
            f"--noise must be {listed}two numbers GAIN,SIGMA such as 0.01,2, got {word!r} ({error})."
        ) from error


def known_noise(noise: str | None, sigma: float | None, stored: StoredModel) -> Noise:
    """The noise without looking at an image: as given, or what the model was trained for where that is no range.

    Args:
        noise: value of --noise, GAIN,SIGMA; None where it is not given.
        sigma: value of --sigma; None where it is not given.
        stored: the model.

    Raises:
        ConfigError: it is no noise, or is missing where the model was trained on a range.
    """
    if noise is not None:
        if sigma is not None:
            raise ConfigError("--sigma is for white noise: leave it out, or --noise.")
        found = given_noise(noise)
        assert isinstance(found, PoissonGaussian)  # no word is allowed
        return found
    if sigma is None and stored.noise is not None and not stored.noise.white:
        if stored.noise.several:
            raise ConfigError(f"{stored.path} was trained for {stored.noise}: give the noise as --noise GAIN,SIGMA.")
        return stored.noise.middle
    return GaussianNoise(known_sigma(sigma, stored))


def estimated_sigma(noisy: ChannelImage, stored: StoredModel, name: object, known: Tensor | None = None) -> float:
    """The noise level of one image, estimated and printed, within what the model was trained for.

    Args:
        noisy: 1 gray or 3 RGB channels, clipped at 0 and 1 where the file was.
        stored: the model.
        name: name of the image, for what is printed.
        known: whether a pixel counts, (height, width); None = all do.

    Raises:
        DataError: the image is too small for an estimate.
    """
    try:
        found = estimate_image_noise(noisy, known)
    except ValueError as error:
        raise DataError(f"{error} (--sigma)") from error
    sigma, clipped = float(found.sigma), float(found.clipped)
    low, high = stored.sigma_range or (0.0, math.inf)
    used = min(max(sigma, low), high)
    print_safely(f"{name}: estimated sigma {sigma:.1f}; give --sigma to overrule")
    if used != sigma:
        where = "below" if sigma < low else "above"
        print_safely(
            f"{name}: the estimate is {where} what the model was trained for ({_trained(stored)}): {used:g} is used",
            error=True,
        )
    if clipped > CLIPPED:
        print_safely(
            f"{name}: {clipped:.0%} of its pixels are clipped (black or white): the estimate of the noise is too low",
            error=True,
        )
    if not used > 0:
        raise DataError("no noise was found in it: give its level as --sigma")
    return used


def _trained(stored: StoredModel) -> str:
    return str(SigmaRange(*(stored.sigma_range or (math.nan, math.nan))))
