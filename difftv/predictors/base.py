"""Noisy image, and its noise level -> positive regularization maps: the contract of every predictor."""

import abc
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, softplus

from difftv.arguments import boolean, not_negative, positive, positive_int
from difftv.noise import noise_std_per_image
from difftv.predictors.strips import in_strips
from difftv.regularizers.base import Regularizer
from difftv.types import Features, Image, Map

INITIAL_LAM = 0.05
"""Where training starts, in [0,1]-intensity units: about the best scalar for light noise."""


class Predictor(nn.Module, abc.ABC):
    """lam = least + softplus(raw_map(noisy) + c), with c such that a raw map of 0 gives least + `initial_lam`.

    A subclass writes `raw_map` and makes it start near 0; positivity is settled here, once.

    Args:
        num_maps: channels of the map, as the regularizer names them.
        initial_lam: the constant that training starts from, > 0, in [0,1]-intensity units: one number for all maps, or
            one for each (`Regularizer.starts` has those of a regularizer). Starting small matters: where the map
            flattens the image its gradient is exactly zero, so a large start learns nothing.
        sigma_input: whether the noise level is an input too, as one more, constant channel of the image (as in DRUNet,
            Zhang et al. 2021): one predictor for many noise levels.
        channels: of the images, 1 = gray; as many as the regularizer couples.
        least: what a map is larger by than the softplus, >= 0, in [0,1]-intensity units: one number for all maps, or
            one for each. A least slope gam keeps slowly changing regions from becoming flat
            (`regularizer=tvpwl predictor.least=[0,0.0015]`).

    Raises:
        ValueError: not as many starts as maps, or one that is not a positive finite number; channels < 1; not as many
            least values as maps, or one below 0.
    """

    varies: ClassVar[bool] = True
    """Whether the map may differ from pixel to pixel."""

    def __init__(
        self,
        num_maps: int = 1,
        initial_lam: float | Sequence[float] = INITIAL_LAM,
        sigma_input: bool = False,
        channels: int = 1,
        least: float | Sequence[float] = 0.0,
    ) -> None:
        super().__init__()
        self.channels = positive_int("channels", channels)
        self.num_maps = positive_int("num_maps", num_maps)
        self.sigma_input = boolean("sigma_input", sigma_input)
        self.initial_lam = initial_lam
        self.least = least
        starts = [positive("initial_lam", start) for start in self._of_each_map("initial_lam", initial_lam)]
        # The inverse of softplus, written so that neither a tiny nor a huge start overflows.
        offsets = [start + math.log(-math.expm1(-start)) for start in starts]
        self._offsets = offsets[:1] if len(set(offsets)) == 1 else offsets
        self._floor = [not_negative("least", value) for value in self._of_each_map("least", least)]

    def _of_each_map(self, name: str, given: float | Sequence[float]) -> list[float]:
        values = [given] * self.num_maps if isinstance(given, int | float) else list(given)
        if len(values) != self.num_maps:
            raise ValueError(
                f"{name} must be one number or one per map ({self.num_maps}), got {len(values)}: {given!r}."
            )
        return values

    @property
    def inputs(self) -> int:
        """Channels that `raw_map` is given: the noisy image, and the noise level where that is an input."""
        return self.channels + self.sigma_input

    @property
    def reach(self) -> int | None:
        """Pixels that a raw map looks away from its own, at most; None where that is not known.

        Where it is known, large images go through in strips when no gradient is wanted.
        """
        return None

    @property
    def grain(self) -> int:
        """Pixels of the coarsest scale: shifting an image by a multiple of them shifts the raw map."""
        return 1

    @abc.abstractmethod
    def raw_map(self, features: Features) -> Map:
        """Any real map, (batch, num_maps, height, width); 0 means `initial_lam`, larger means smoother.

        Args:
            features: (batch, inputs, height, width): the noisy image and, with `sigma_input`, its noise standard
                deviation on images in [0, 1] at every pixel.
        """

    @final  # type: ignore[misc]  # torch types `forward` as an attribute
    def forward(self, noisy: Image, sigma: float | Tensor | None = None) -> Map:
        """The regularization maps of every image.

        Args:
            noisy: (batch, channels, height, width), intensities nominally in [0, 1], any size.
            sigma: noise standard deviation in 8-bit units, > 0: a number, or a tensor (batch,) with one per image. To
                be given where, and only where, the predictor has `sigma_input`.

        Returns:
            (batch, num_maps, height, width), > 0 up to underflow; larger = smoother.

        Raises:
            ValueError: sigma is missing, not asked for, not positive, or not one per image; another number of channels.
        """
        if noisy.ndim != 4 or noisy.shape[1] != self.channels:
            raise ValueError(
                f"noisy must have shape (batch, {self.channels}, height, width), got {tuple(noisy.shape)}: this "
                f"{type(self).__name__} was made for images of {self.channels} channel(s)."
            )
        features = self._features(noisy, sigma)
        raw = self.raw_map_in_strips(features)
        lam = softplus(raw.to(features.dtype) + _for_each_map(self._offsets, features))
        return lam + _for_each_map(self._floor, lam) if any(self._floor) else lam

    @final
    def raw_map_in_strips(self, features: Features) -> Map:
        """`raw_map`; where no gradient is wanted and `reach` is known, large images go through in strips."""
        if self.reach is None or torch.is_grad_enabled():
            return self.raw_map(features)
        return in_strips(self.raw_map, features, self.reach, self.grain)

    def start_from(self, other: "Predictor") -> None:
        """Take over the weights of another predictor of the same kind; `least` stays.

        Raises:
            ValueError: its weights mean something else here.
        """
        if type(other) is not type(self):
            raise ValueError(f"it is a {type(other).__name__}, and a {type(self).__name__} is to be trained.")
        for name in ("sigma_input", "channels", "num_maps", "_offsets"):
            theirs, ours = getattr(other, name), getattr(self, name)
            if theirs != ours:
                shown = name if name != "_offsets" else "initial_lam (through softplus)"
                raise ValueError(f"its {shown} is {theirs}, and {ours} here.")
        theirs, ours = ({name: weight.shape for name, weight in each.state_dict().items()} for each in (other, self))
        if theirs != ours:
            raise ValueError(
                f"its {sum(map(torch.Size.numel, theirs.values()))} weights are not in the layers of the "
                f"{sum(map(torch.Size.numel, ours.values()))} here."
            )
        self.load_state_dict(other.state_dict())

    def _features(self, noisy: Image, sigma: float | Tensor | None) -> Features:
        if not self.sigma_input:
            if sigma is not None:
                raise ValueError(
                    f"this {type(self).__name__} takes no sigma: it was made for one noise level. Leave sigma out, or "
                    "use a predictor with sigma_input=True."
                )
            return noisy
        if sigma is None:
            raise ValueError(
                f"this {type(self).__name__} has the noise level as an input: give sigma, the standard deviation of "
                "the noise in 8-bit units, a number or one per image (difftv.estimate_sigma(noisy) estimates it)."
            )
        level = noise_std_per_image(sigma, noisy)
        return torch.cat([noisy, level.view(-1, 1, 1, 1).expand_as(noisy[:, :1])], dim=1)


def _for_each_map(values: Sequence[float], maps: Map) -> float | Tensor:
    """One value for all maps, or one for each, fit to be added to them."""
    return values[0] if len(values) == 1 else maps.new_tensor(values).view(1, -1, 1, 1)


def starting_at(arguments: Mapping[str, Any], regularizer: Regularizer, *, sigma_input: bool = False) -> dict[str, Any]:
    """The arguments of a predictor completed by what follows from the regularizer: its maps, starts and channels.

    Args:
        arguments: those of the configuration; an `initial_lam` that is one number becomes one per map
            (`Regularizer.starts`), a list is left as it is.
        regularizer: what the maps are for.
        sigma_input: whether the noise level is an input, unless the configuration says.

    Raises:
        ValueError: `initial_lam` is not positive.
    """
    complete = {**arguments, "num_maps": regularizer.num_maps}
    if regularizer.channels > 1:
        complete["channels"] = regularizer.channels
    if sigma_input:
        complete.setdefault("sigma_input", True)
    start = arguments.get("initial_lam")
    if isinstance(start, int | float):
        complete["initial_lam"] = list(regularizer.starts(positive("initial_lam", start)))
    return complete


def convolution(inputs: int, outputs: int, dilation: int = 1) -> nn.Conv2d:
    """3x3, the size kept by repeating the border: zeros would look like a dark frame around every image."""
    return _Convolution(inputs, outputs, 3, padding=dilation, dilation=dilation, padding_mode="replicate")


class _Convolution(nn.Conv2d):
    """One whose gradient is the same every time on CUDA too, where that of torch's padding is summed in any order.

    In mixed precision its border is in the precision of its input.
    """

    def forward(self, input: Tensor) -> Tensor:
        kind = input.device.type
        if input.is_cuda:
            bordered = _bordered(input, *self.dilation)
        elif torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
            # Autocast would take the border to float32 and back, which costs as much as the convolution.
            with torch.autocast(kind, enabled=False):
                bordered = pad(input, self._reversed_padding_repeated_twice, mode="replicate")
        else:
            return super().forward(input)
        return conv2d(bordered, self.weight, self.bias, dilation=self.dilation)


def _bordered(state: Tensor, rows: int, columns: int) -> Tensor:
    """The border repeated by so many pixels on every side."""
    top, bottom = (part.expand(-1, -1, rows, -1) for part in (state[:, :, :1], state[:, :, -1:]))
    state = torch.cat([top, state, bottom], dim=2)
    left, right = (part.expand(-1, -1, -1, columns) for part in (state[..., :1], state[..., -1:]))
    return torch.cat([left, state, right], dim=3)


def start_for_relu(layer: nn.Conv2d) -> nn.Conv2d:
    """Draw the weights so that activations keep their scale through many ReLUs (He et al. 2015)."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def start_near_zero(layer: nn.Conv2d, scale: float = 1e-2) -> nn.Conv2d:
    """Shrink a last convolution so that the raw map starts near 0 while gradients still reach the layers before it."""
    with torch.no_grad():
        layer.weight.mul_(scale)
        if layer.bias is not None:
            layer.bias.zero_()
    return layer
