"""Predictors by the class of their network: what a configuration and a stored model name."""

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any, ClassVar

from torch import nn

from difftv.arguments import boolean, positive_int, with_todays_names
from difftv.predictors.base import ADVICE, Predictor
from difftv.space import KINDS, checked_axes

SUPPLIED = ("in_channels", "num_maps", "sigma_input", "axes")
"""Arguments that a network gets, where it takes them: channels of its input, with the noise level; number of maps;
whether the last channel is the noise level; number of axes of space. One that does not take the last is for images,
unless its attribute `axes` lists others."""

_MAPS = {
    name: parameter
    for name, parameter in inspect.signature(Predictor).parameters.items()
    if name not in ("network", "num_maps")
}
"""Arguments of every predictor besides the network and the number of maps."""


class Named(Predictor):
    """A predictor that makes its network: `class UNet(Named, network=RawUNet)`.

    Args:
        num_maps: channels of the map, as for `Predictor`.
        arguments: those of `Predictor`, and those of the network; `least` is the earlier name of `floor`.

    Raises:
        TypeError: an argument that neither of them takes.
        ValueError: values out of range, see the two; two values of one argument.
    """

    network_class: ClassVar[Callable[..., nn.Module]]

    def __init_subclass__(cls, network: Callable[..., nn.Module]) -> None:
        cls.network_class = staticmethod(network)
        cls.__signature__ = _signature(network)  # type: ignore[attr-defined]  # what `inspect.signature` gives

    def __init__(self, num_maps: int = 1, **arguments: Any) -> None:
        arguments = with_todays_names("predictor", arguments)
        shared = {name: arguments.pop(name) for name in _MAPS if name in arguments}
        sigma_input = boolean("sigma_input", shared.get("sigma_input", False))
        features = positive_int("channels", shared.get("channels", 1)) + sigma_input
        axes = checked_axes(shared.get("axes", 2))
        values = (features, positive_int("num_maps", num_maps), sigma_input, axes)
        takes = inspect.signature(self.network_class).parameters
        if "axes" not in takes and axes not in (able := getattr(self.network_class, "axes", (2,))):
            raise ValueError(
                f"{type(self).__name__} is for {' and '.join(KINDS[each] for each in able)}, and {KINDS[axes]} are "
                f"given (axes={axes}). {ADVICE[axes]}"
            )
        supplied = {name: value for name, value in zip(SUPPLIED, values, strict=True) if name in takes}
        super().__init__(self.network_class(**supplied, **arguments), num_maps, **shared)


def predictor_class(network: Callable[..., nn.Module]) -> type[Predictor]:
    """The class of predictors with such a network; a class of predictors is its own.

    Args:
        network: class of modules, features -> real numbers (see `Predictor`). It is given `in_channels`, `num_maps` and
            `sigma_input` where its constructor takes them. Its other arguments, and those of `Predictor`, are those of
            the class.

    Raises:
        TypeError: a class of something else than modules, or an argument that `Predictor` takes for itself.
    """
    if isinstance(network, type) and issubclass(network, Predictor):
        return network
    if not callable(network) or (isinstance(network, type) and not issubclass(network, nn.Module)):
        raise TypeError(f"{network!r} must be a class of predictors or of torch.nn.Module.")
    return _class_of(network)  # type: ignore[arg-type]  # classes and functions are hashable


@functools.cache
def _class_of(network: Any) -> type[Predictor]:
    name = getattr(network, "__name__", type(network).__name__)
    place = {"__module__": getattr(network, "__module__", __name__), "__doc__": network.__doc__}
    return types.new_class(name, (Named,), {"network": network}, lambda body: body.update(place))


def _signature(network: Callable[..., nn.Module]) -> inspect.Signature:
    """`num_maps`, the network's own arguments, then those of every predictor."""
    inherited = getattr(network, "__init__", None) is nn.Module.__init__  # takes anything, and reads nothing
    parameters = () if inherited else inspect.signature(network).parameters.values()
    own = [each for each in parameters if each.name not in SUPPLIED and each.kind is not each.VAR_POSITIONAL]
    if clash := sorted({each.name for each in own} & {"network", "least", *_MAPS}):
        raise TypeError(
            f"{getattr(network, '__name__', network)} has an argument {clash[0]!r}, which is one of the predictor "
            "around it: give it another name."
        )
    keywords = [each.replace(kind=each.KEYWORD_ONLY) for each in own if each.kind is not each.VAR_KEYWORD]
    rest = [each for each in own if each.kind is each.VAR_KEYWORD]
    shared = [each.replace(kind=each.KEYWORD_ONLY) for each in _MAPS.values()]
    num_maps = inspect.signature(Predictor).parameters["num_maps"]
    return inspect.Signature([num_maps, *keywords, *shared, *rest])
