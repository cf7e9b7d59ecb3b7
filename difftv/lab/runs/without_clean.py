"""What a run without clean images, or with a loss that sees none, cannot have."""

from torch import nn

from difftv.errors import ConfigError
from difftv.lab.data import Splits
from difftv.lab.forward import ForwardModel
from difftv.lab.losses import Sure, WithoutClean
from difftv.lab.runs.options import RunOptions
from difftv.noise import NoiseRange


def check_noisy_files(options: RunOptions, loss: nn.Module, noise: NoiseRange, forward: ForwardModel) -> None:
    """Refuse what needs clean images where there are none (data.clean=false).

    Raises:
        ConfigError: naming the key.
    """
    if not isinstance(loss, WithoutClean):
        raise ConfigError(
            f"loss={type(loss).__name__} compares with clean images, and there are none (data.clean=false). Take "
            "loss=recorrupted, loss=sure, loss=noise2noise with two files per scene (data.again), or loss=deepinv."
        )
    if forward.measures:
        raise ConfigError("data.clean=false is for denoising: a forward operator would measure noisy images.")
    if not isinstance(noise.middle, Sure.kinds):
        raise ConfigError(
            f"data.clean=false is for white Gaussian or Poisson-Gaussian noise, got {noise}: the error of the denoised "
            "images is not estimated for other noise. Take noise=gaussian; loss=noise2noise is right for any noise."
        )
    if options.data.axes == 1 and noise.several:
        raise ConfigError(
            f"the noise of signals (data.axes=1) is not estimated: give one number where {noise} has a range."
        )
    if options.data.clip_noise:
        raise ConfigError("data.clip_noise clips noise that is added, and none is (data.clean=false). Leave it out.")
    if options.training.staircase_weight:
        raise ConfigError("trainer.staircase_weight compares with clean images, and there are none (data.clean=false).")


def check_without_clean(loss: WithoutClean, options: RunOptions, splits: Splits, forward: ForwardModel) -> None:
    """Refuse what the loss is wrong for, or two files per scene where it does not compare them, and the reverse.

    Raises:
        ConfigError: naming the key.
    """
    if forward.measures:
        raise ConfigError(
            f"loss={type(loss).__name__} is for denoising, without a forward operator (forward=identity)."
        )
    if options.data.clip_noise:
        raise ConfigError(
            f"data.clip_noise gives the noise a mean that is not 0, and loss={type(loss).__name__} takes it to be: set "
            "data.clip_noise=false, or take a loss of clean images."
        )
    if splits.again and not loss.needs_again:
        raise ConfigError(f"data.again is not read by loss={type(loss).__name__}: take loss=noise2noise, or no again.")
    if loss.needs_again and not options.data.clean and not splits.again:
        raise ConfigError(
            "loss=noise2noise compares with a second noisy file of every scene. Give its directory as data.again (the "
            "same names as in data.root), or take loss=recorrupted."
        )
