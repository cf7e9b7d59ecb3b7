"""Noisy image, and its noise level -> positive regularization maps, by any network."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from difftv.arguments import boolean, count, is_number, not_negative, positive, positive_int
from difftv.noise import as_noise, noise_std_per_image
from difftv.predictors.strips import in_strips
from difftv.regularizers.base import Regularizer
from difftv.space import KINDS, checked_axes, layout, per_image
from difftv.types import Features, Image, Map

INITIAL_LAM = 0.05
"""Constant map before training, in [0,1]-intensity units: about the best scalar for light noise."""

NETWORK = "network."

ADVICE = {
    1: "Predictors of signals are cnn, dilated, dncnn and unet.",
    2: "Predictors of images are cnn, dilated, dncnn and unet.",
    3: "Predictors of volumes are slices (a network for images that sees every slice with its neighbours), cnn, "
    "dilated, dncnn and unet; difftv.volumes.denoise_volume applies a denoiser for images slice by slice.",
}
"""Number of axes -> which predictors take as many, for messages."""


class Predictor(nn.Module):
    """Positive maps from the output of a network: lam = floor + softplus(network(noisy) + c).

    The offset c is such that an output of 0 gives floor + `initial_lam`. The state dict is that of the network.

        denoiser = Denoiser(Predictor(MyNetwork()), Exact(AnisotropicTV()))

    Args:
        network: any module; features (batch, channels, *space) -> real numbers (batch, num_maps, *space), where larger
            means smoother, near 0 before training. With `sigma_input` the features have one more channel, the noise
            standard deviation on images in [0, 1]. Its attributes `receptive_radius` (pixels that an output looks away
            from its own, at most, or a tuple with one number per axis) and `stride` (pixels of its coarsest scale:
            shifting an image by a multiple of them shifts the output; 1 where absent) let large images go through in
            strips when no gradient is wanted; without the first they go through in one piece. `is_spatial = False` says
            that it gives one number for all pixels.
        num_maps: channels of the map, as the regularizer names them.
        initial_lam: the constant that training starts from, > 0, in [0,1]-intensity units: one number for all maps, or
            one for each (`Regularizer.starts` has those of a regularizer). Starting small matters: where the map
            flattens the image its gradient is exactly zero, so a large start learns nothing.
        sigma_input: whether the noise level is an input too, as one more, constant channel of the image (as in DRUNet,
            Zhang et al. 2021): one predictor for many noise levels.
        channels: number of channels of the images, 1 = gray; as many as the regularizer couples.
        floor: number that the softplus is added to, >= 0, in [0,1]-intensity units: one for all maps, or one for each;
            no map is below it. A floor of the slope gam keeps slowly changing regions from becoming flat
            (`regularizer=tvpwl predictor.floor=[0,0.0015]`).
        axes: number of axes of space, 1 (signals), 2 (images) or 3 (volumes), as the regularizer has them.

    Raises:
        TypeError: network is no module.
        ValueError: not as many starts as maps, or one that is not a positive finite number; channels < 1; not as many
            floors as maps, or one below 0; axes is not 1, 2 or 3; a radius or stride of the network that is none.
    """

    def __init__(
        self,
        network: nn.Module,
        num_maps: int = 1,
        initial_lam: float | Sequence[float] = INITIAL_LAM,
        sigma_input: bool = False,
        channels: int = 1,
        floor: float | Sequence[float] = 0.0,
        axes: int = 2,
    ) -> None:
        super().__init__()
        if not isinstance(network, nn.Module):
            raise TypeError(f"network must be a torch.nn.Module, got {network!r}.")
        self.channels = positive_int("channels", channels)
        self.num_maps = positive_int("num_maps", num_maps)
        self.axes = checked_axes(axes)
        self.sigma_input = boolean("sigma_input", sigma_input)
        self.initial_lam = initial_lam
        self.floor = floor
        starts = [positive("initial_lam", start) for start in self._of_each_map("initial_lam", initial_lam)]
        # The inverse of softplus, written so that neither a tiny nor a huge start overflows.
        offsets = [start + math.log(-math.expm1(-start)) for start in starts]
        self._offsets = offsets[:1] if len(set(offsets)) == 1 else offsets
        self._floors = [not_negative("floor", value) for value in self._of_each_map("floor", floor)]
        if (radius := getattr(network, "receptive_radius", None)) is not None:
            for each in radius if isinstance(radius, tuple) else (radius,):
                count("receptive_radius of the network", each)
            if isinstance(radius, tuple) and len(radius) != self.axes:
                raise ValueError(f"receptive_radius of the network must be one number or {self.axes}, got {radius}.")
            positive_int("stride of the network", getattr(network, "stride", 1))
        self.network = network
        # Stored weights are the network's, by its own names.
        self.register_state_dict_post_hook(_without_prefix)
        self.register_load_state_dict_pre_hook(_with_prefix)

    def _of_each_map(self, name: str, given: float | Sequence[float]) -> list[float]:
        values = [given] * self.num_maps if is_number(given) else list(given)  # type: ignore[arg-type]  # a sequence
        if len(values) != self.num_maps:
            raise ValueError(
                f"{name} must be one number or one per map ({self.num_maps}), got {len(values)}: {given!r}."
            )
        return values

    def _start_of_each(self) -> list[float]:
        return self._offsets * (self.num_maps if len(self._offsets) == 1 else 1)

    @property
    def name(self) -> str:
        """Name of the class, or of that of the network, for messages."""
        return type(self.network if type(self) is Predictor else self).__name__

    @property
    def is_spatial(self) -> bool:
        """Whether the map may differ from pixel to pixel."""
        return bool(getattr(self.network, "is_spatial", True))

    @property
    def least(self) -> float | Sequence[float]:
        """Earlier name of `floor`."""
        return self.floor

    def raw_map(self, features: Features) -> Map:
        """Output of the network, any real numbers, (batch, num_maps, *space); 0 means `initial_lam`.

        Args:
            features: the noisy image and, with `sigma_input`, its noise standard deviation at every pixel.

        Raises:
            ValueError: the network gives another shape.
        """
        raw = in_strips(self.network, features)
        wanted = (len(features), self.num_maps, *features.shape[2:])
        if not isinstance(raw, Tensor) or raw.shape != wanted:
            found = f"shape {tuple(raw.shape)}" if isinstance(raw, Tensor) else f"a {type(raw).__name__}"
            raise ValueError(
                f"{type(self.network).__name__} must give maps of shape {wanted} for features of shape "
                f"{tuple(features.shape)} (one per map of the regularizer, of the image's size), got {found}."
            )
        return raw

    def forward(self, noisy: Image, sigma: float | Tensor | None = None) -> Map:
        """The regularization maps of every image.

        Args:
            noisy: (batch, channels, *space), intensities nominally in [0, 1], any size.
            sigma: noise standard deviation in 8-bit units, > 0: a number, a tensor (batch,) with one per image, or one
                of the dimensions of the images that broadcasts to them, with one per pixel. To be given where, and only
                where, the predictor has `sigma_input`.

        Returns:
            (batch, num_maps, *space), > 0 up to underflow; larger = smoother.

        Raises:
            ValueError: sigma is missing, not asked for, not positive, or not one per image; another number of channels;
                a network that gives another shape.
        """
        features = self.features(noisy, sigma)
        maps = softplus(self.raw_map(features).to(features.dtype) + _for_each_map(self._offsets, features))
        return maps + _for_each_map(self._floors, maps) if any(self._floors) else maps

    def start_from(self, other: "Predictor") -> None:
        """Take over the weights of another predictor of the same kind; `floor` stays.

        Where this one is for RGB images and the other for gray ones, the network says how, if it can
        (`start_from_gray`), and `initial_lam` stays as well: every map starts at that of the gray model times the ratio
        of the two. Likewise where this one is for volumes and the other for images (`start_from_images`); the maps are
        then those of the other one, slice by slice.

        Raises:
            ValueError: its weights mean something else here.
        """
        from_gray = getattr(self.network, "start_from_gray", None)
        if other.channels == 1 and self.channels == 3 and from_gray is not None:
            if other.sigma_input != self.sigma_input:
                raise ValueError(f"its sigma_input is {other.sigma_input}, and {self.sigma_input} here.")
            from_gray(other.network)
            return
        from_images = getattr(self.network, "start_from_images", None)
        if (other.axes, self.axes) == (2, 3) and from_images is not None:
            if (other.sigma_input, other.channels) != (self.sigma_input, self.channels):
                raise ValueError(
                    f"its sigma_input is {other.sigma_input} and its channels are {other.channels}; here it is "
                    f"{self.sigma_input}, and they are {self.channels}."
                )
            ours = self._start_of_each()
            if 3 * other.num_maps == 2 * self.num_maps:  # a map per direction: those within slices are compared
                ours = [start for index, start in enumerate(ours) if index % 3]
            shift = [theirs - own for theirs, own in zip(other._start_of_each(), ours, strict=False)]
            from_images(other.network, torch.tensor(shift, dtype=torch.float32))
            return
        if type(other.network) is not type(self.network):
            raise ValueError(f"it is a {other.name}, and a {self.name} is to be trained.")
        for name in ("sigma_input", "channels", "axes", "num_maps", "_offsets"):
            theirs, ours = getattr(other, name), getattr(self, name)
            if theirs != ours:
                shown = name if name != "_offsets" else "initial_lam (through softplus)"
                raise ValueError(f"its {shown} is {theirs}, and {ours} here.")
        shapes, wanted = ({name: value.shape for name, value in each.state_dict().items()} for each in (other, self))
        if shapes != wanted:
            raise ValueError(
                f"its {sum(map(torch.Size.numel, shapes.values()))} weights are not in the layers of the "
                f"{sum(map(torch.Size.numel, wanted.values()))} here."
            )
        self.load_state_dict(other.state_dict())

    def features(self, noisy: Image, sigma: float | Tensor | None = None) -> Features:
        """Input of the network, (batch, channels, *space): arguments and errors as for a call."""
        if noisy.ndim != 2 + self.axes or noisy.shape[1] != self.channels:
            other = noisy.ndim - 2
            advice = f" {ADVICE[other]}" if other in KINDS and other != self.axes else ""
            raise ValueError(
                f"noisy must have shape {layout(self.axes, str(self.channels))}, got {tuple(noisy.shape)}: this "
                f"{self.name} was made for {KINDS[self.axes]} of {self.channels} channel(s).{advice}"
            )
        if not self.sigma_input:
            if sigma is not None:
                raise ValueError(
                    f"this {self.name} takes no sigma: it was made for one noise level. Leave sigma out, or "
                    "use a predictor with sigma_input=True."
                )
            return noisy
        if sigma is None:
            raise ValueError(
                f"this {self.name} has the noise level as an input: give sigma, the standard deviation of "
                "the noise in 8-bit units, a number or one per image (difftv.estimate_sigma(noisy) estimates it)."
            )
        if isinstance(sigma, Tensor) and sigma.ndim > 1:
            std = as_noise(sigma).std(noisy)
            level = std if std.shape[1] == 1 else std.square().mean(dim=1, keepdim=True).sqrt()
        else:
            level = per_image(noise_std_per_image(sigma, noisy), noisy)
        return torch.cat([noisy, level.expand_as(noisy[:, :1])], dim=1)


def _without_prefix(module: nn.Module, state: dict[str, Any], prefix: str, local_metadata: object) -> None:
    _rename(state, prefix + NETWORK, prefix)


def _with_prefix(module: nn.Module, state: dict[str, Any], prefix: str, *others: object) -> None:
    _rename(state, prefix, prefix + NETWORK)


def _rename(state: dict[str, Any], old: str, new: str) -> None:
    """Replace the beginning of keys, in their order."""
    for key in [key for key in state if key.startswith(old)]:
        state[new + key.removeprefix(old)] = state.pop(key)


def _for_each_map(values: Sequence[float], maps: Map) -> float | Tensor:
    """One value for all maps, or one for each, fit to be added to them."""
    return values[0] if len(values) == 1 else maps.new_tensor(values).view(-1, *[1] * (maps.ndim - 2))


def starting_at(arguments: Mapping[str, Any], regularizer: Regularizer, *, sigma_input: bool = False) -> dict[str, Any]:
    """The arguments of a predictor completed by what follows from the regularizer: its maps, starts, channels and axes.

    Args:
        arguments: those of the configuration; an `initial_lam` that is one number becomes one per map
            (`Regularizer.starts`), a list is left as it is.
        regularizer: regularizer that weighs its terms by the maps.
        sigma_input: whether the noise level is an input, unless the configuration says.

    Raises:
        ValueError: `initial_lam` is not positive.
    """
    complete = {**arguments, "num_maps": regularizer.num_maps}
    if regularizer.channels > 1:
        complete["channels"] = regularizer.channels
    if regularizer.axes != 2:
        complete["axes"] = regularizer.axes
    if sigma_input:
        complete.setdefault("sigma_input", True)
    start = arguments.get("initial_lam")
    if is_number(start):
        complete["initial_lam"] = list(regularizer.starts(positive("initial_lam", start)))
    return complete
