"""What is minimised: the contract of every regularizer, a sum of terms from which everything else is derived.

    R(u) = min_v  sum_t sum_i  phi_t( |(K_t (u, v))_i| ; lam_i, gam_i )

A regularizer states data: its terms and its maps. Value, analysis, adjoint, projection and conjugate are derived here,
the duality gap and the cone program in `difftv.solvers`.
"""

import abc
import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from difftv.arguments import positive
from difftv.linear.differences import Spaced
from difftv.regularizers.bounds import Bounds, checked_bounds
from difftv.regularizers.term import Term
from difftv.types import Dual, Fields, Map, PerImage

_EARLIER = {"share": "ratio", "constant": "offset", "number": "parameter"}


@dataclass(frozen=True, init=False)
class MapSpec:
    """One of the maps that a regularizer takes.

    Attributes:
        name: name in columns, figures and messages.
        ratio: factor where a single number lam stands for all maps: ratio * lam + offset.
        offset: constant part, see `ratio`.
        parameter: scalar that a model without maps has for it; maps of one parameter are constants in proportion to
            their ratios. A second parameter is searched as a multiple of the first where its map has a ratio, else as
            it is.

    Earlier names of the last three, `share`, `constant` and `number`, are accepted and can be read.
    """

    name: str
    ratio: float
    offset: float
    parameter: str

    def __init__(
        self, name: str, ratio: float = 1.0, offset: float = 0.0, parameter: str = "lam", **earlier: float | str
    ) -> None:
        if unknown := earlier.keys() - _EARLIER:
            raise TypeError(f"a map has name, ratio, offset and parameter, not {', '.join(sorted(unknown))}.")
        given = {"name": name, "ratio": ratio, "offset": offset, "parameter": parameter}
        for key, value in (given | {_EARLIER[key]: value for key, value in earlier.items()}).items():
            object.__setattr__(self, key, value)

    share = property(lambda self: self.ratio)
    constant = property(lambda self: self.offset)
    number = property(lambda self: self.parameter)


class Regularizer(abc.ABC):
    """R(u; maps) = min_v sum of `terms`, with the dual set |p_i| <= lam_i.

    A subclass calls this constructor with its data and overrides nothing. What acts on fields takes x = (u) or
    x = (u, v), (batch, channels + auxiliary, *space); dual variables hold the components of all terms one
    after the other.
    """

    name: ClassVar[str]
    """The word that selects it on the command line."""

    @abc.abstractmethod
    def __init__(self, maps: tuple[MapSpec, ...], terms: tuple[Term, ...], bounds: Bounds | None = None) -> None:
        self.maps = maps
        self.terms = terms
        self.bounds = checked_bounds("bounds", bounds)
        """(lower, upper) of every intensity of the minimiser; None: none. `value` and `conjugate` leave them out."""
        self.channels = terms[0].operator.channels
        """Channels of the images that it takes, > 1 where it couples them."""
        assert all(term.operator.channels == self.channels for term in terms)
        self.auxiliary = max(term.operator.fields for term in terms) - self.channels
        """Channels of the auxiliary field v: 0, or one per axis for every channel of the image."""
        self.axes = terms[0].operator.axes
        """Axes of space: 1 of signals, 2 of images, 3 of volumes."""
        assert all(term.operator.axes == self.axes for term in terms)

    def periodic(self) -> "Regularizer":
        """That of images which are continued periodically, where filters reach past the border."""
        operators = [term.operator.periodic for term in self.terms]
        if all(operator is None for operator in operators):
            return self
        found = copy.copy(self)
        found.terms = tuple(
            term if operator is None else replace(term, operator=operator)
            for term, operator in zip(self.terms, operators, strict=True)
        )
        return found

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance of neighbours along every axis."""
        operator = self.terms[0].operator.of_one_channel
        return operator.lengths if isinstance(operator, Spaced) else (1.0,) * self.axes

    @property
    def map_names(self) -> tuple[str, ...]:
        """The channels of the map that it takes, by name."""
        return tuple(spec.name for spec in self.maps)

    @property
    def num_maps(self) -> int:
        """Channels of the map that it takes."""
        return len(self.maps)

    @property
    def weight_channels(self) -> frozenset[int]:
        """Channels of the maps that weigh a term (lam); the others are free slopes (gam)."""
        return frozenset(channel for term in self.terms for channel in term.lam)

    @property
    def components(self) -> int:
        """Channels of a dual variable."""
        return sum(term.operator.components for term in self.terms)

    @property
    def equivariant(self) -> bool:
        """Whether R(s u + c; s maps) = s^2 R(u; maps) for every s > 0 and c: no width in intensities is built in."""
        return all(term.potential.equivariant for term in self.terms)

    def starts(self, lam: float) -> tuple[float, ...]:
        """The value of every map where one number stands for all: training starts there, and a scalar is tuned so.

        Args:
            lam: > 0, intensity units; larger = smoother.

        Raises:
            ValueError: lam is not a positive finite number.
        """
        lam = positive("lam", lam)
        return tuple(spec.ratio * lam + spec.offset for spec in self.maps)

    @property
    def parameters(self) -> tuple[str, ...]:
        """What has to be chosen where every map is constant, by name; the first one is the weight."""
        return tuple(dict.fromkeys(spec.parameter for spec in self.maps))

    @property
    def numbers(self) -> tuple[str, ...]:
        """`parameters` by their name in earlier versions."""
        return self.parameters

    def first_map(self, parameter: str) -> MapSpec:
        """The first map that takes this parameter, whose value is the parameter itself."""
        return next(spec for spec in self.maps if spec.parameter == parameter)

    leading = first_map
    """Its name in earlier versions."""

    def constants(self, values: Sequence[float]) -> tuple[float, ...]:
        """The value of every map where all are constant.

        Args:
            values: one per name in `parameters`, > 0, intensity units.

        Raises:
            ValueError: not as many values as parameters, or one that is not a positive finite number.
        """
        if len(values) != len(self.parameters):
            raise ValueError(
                f"{self.name} needs {len(self.parameters)} number(s), {', '.join(self.parameters)}; got {len(values)}: "
                f"{tuple(values)!r}."
            )
        given = {name: positive(name, value) for name, value in zip(self.parameters, values, strict=True)}
        first = {name: self.first_map(name).ratio for name in given}
        return tuple(
            given[spec.parameter] * (spec.ratio / first[spec.parameter] if spec.ratio else 1.0) for spec in self.maps
        )

    def value(self, x: Fields, maps: Map) -> PerImage:
        """The sum of the terms at x, of every image of the batch; R(u) itself where there is no auxiliary field."""
        return torch.stack([term.value(x, maps) for term in self.terms]).sum(dim=0)

    def analysis(self, x: Fields) -> Dual:
        """K x, the differences of all terms."""
        return torch.cat([term.analysis(x) for term in self.terms], dim=1)

    def adjoint(self, p: Dual) -> Fields:
        """K^T p."""
        parts = zip(self.terms, self.split(p), strict=True)
        return torch.stack([term.adjoint(part) for term, part in parts]).sum(dim=0)

    def project(self, p: Dual, maps: Map) -> Dual:
        """The point of the dual set nearest to p."""
        parts = zip(self.terms, self.split(p), strict=True)
        return torch.cat([term.project(part, maps) for term, part in parts], dim=1)

    def conjugate(self, p: Dual, maps: Map) -> PerImage:
        """sum_i phi*(|p_i|) for p in the dual set; 0 for total variation."""
        parts = zip(self.terms, self.split(p), strict=True)
        return torch.stack([term.conjugate(part, maps) for term, part in parts]).sum(dim=0)

    def split(self, p: Dual) -> list[Tensor]:
        """The dual variables of every term."""
        return list(p.split([term.operator.components for term in self.terms], dim=1))
