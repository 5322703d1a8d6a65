"""Architectures of the families of networks, as they stand in a model's card; needs no torch."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from typing_extensions import override

from src_core.space.seen import BLURS, SEEN

Shapes = dict[str, tuple[int, ...]]
"""Shape of each weight by its name."""
_LARGEST_SIZE = 10_000
"""Units of a layer, layers, classes."""
_FARTHEST = 500.0
"""Corner of a template box, mm."""
_MOST_NODES = 10_000_000
"""Of a warp."""


class Architecture:
    """Settings that the families have in common; those of a family are a frozen dataclass.

    Each family lists its fields in an order of its own, which names files of trainings; therefore
    they are not inherited.

    Attributes
    ----------
    classes : int
        With background.
    width, depth : int
        Sine layers.
    omega : float
        Their frequency factor.
    scale : float
        Template mm that are 1 for the network.
    hidden : tuple of int
        Hidden layers of the head.
    weight_rate : float
        Adam step size of the sine layers.
    box_low, box_high : tuple of 3 float
        Corners of the template box, mm.
    """

    classes: int
    width: int
    depth: int
    omega: float
    scale: float
    hidden: tuple[int, ...]
    weight_rate: float
    box_low: tuple[float, float, float]
    box_high: tuple[float, float, float]

    # What holds for a family as a whole; without annotations, so that they are no fields.
    has_template_network = False
    """A scan is warped onto a template network, which is made of the mean of all scans, or is that
    of another model."""
    can_be_meta_learned = False
    """The shared weights can be moved to where few steps of a fit lead far."""
    of_the_head = frozenset({"classes", "hidden"})
    """Fields that do not change a fit."""
    warp_iterations = 0
    """Iterations of a fit after which the warp stands still, or nearly so."""

    def __post_init__(self) -> None:
        sizes = (self.classes, self.width, self.depth, *self.hidden)
        if not 1 <= min(sizes) <= max(sizes) <= _LARGEST_SIZE:
            raise ValueError(f"classes, width, depth and hidden must be 1 to {_LARGEST_SIZE}")
        if any(low >= high for low, high in zip(*self.box, strict=True)):
            raise ValueError("box_low must lie below box_high")
        if max(map(abs, (*self.box_low, *self.box_high))) > _FARTHEST:
            raise ValueError(f"box_low and box_high must be within {_FARTHEST:g} mm")
        if self.scale <= 0:
            raise ValueError("scale must be positive")

    def to_json(self) -> dict[str, Any]:
        """All fields by name, as they stand in a card."""
        return dict(vars(self))

    def of_the_fit(self) -> dict[str, Any]:
        """Fields that a fit depends on, by name."""
        return {
            name: value for name, value in self.to_json().items() if name not in self.of_the_head
        }

    @property
    def box(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Both corners."""
        return self.box_low, self.box_high

    @property
    def head_inputs(self) -> int:
        """Numbers that the head reads per point."""
        return self.width

    def shared_shapes(self) -> Shapes:
        """Weights that belong into a model file.

        Those of a network that was built say the same, but building one needs torch.
        """
        sizes = (self.head_inputs, *self.hidden, self.classes)
        shapes: Shapes = {}
        for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
            shapes |= _dense(f"head.layers.{2 * layer}", inputs, outputs)
        return shapes

    def _sines(self, name: str) -> Shapes:
        """Weights of the sine layers, in the order of their parameters."""
        layers = range(self.depth)
        weights = {f"{name}.weights.{i}": (self.width, self.width if i else 3) for i in layers}
        return {**weights, **{f"{name}.biases.{i}": (self.width,) for i in layers}}


@dataclass(frozen=True)
class WarpedSettings(Architecture):
    """Architecture and step sizes of a `WarpedNetwork`; stands in the model's card.

    Attributes
    ----------
    classes : int
        With background.
    box_low, box_high : tuple of 3 float
        Corners of the template box, mm.
    width, depth : int
        Sine layers of the template network.
    omega : float
        Their frequency factor.
    scale : float
        Template mm that are 1 for the network.
    hidden : tuple of int
        Hidden layers of the head.
    reads_activations : bool
        The head reads the activations of all sine layers, in place of the scan's intensities as
        they are.
    aligned_wavelengths, warped_wavelengths : tuple of float
        Of the Fourier codes in which the head reads a position before and after the warp, mm.
    spacings : tuple of float
        Distances of the warp's nodes, mm.
    warp_iterations : int
        Iterations over which the warp's steps fall to a tenth; then the weights follow.
    warp_rate, appearance_rate, weight_rate : float
        First Adam step sizes: mm, natural units, and of the template network's weights.
    smoothness : float
        Weight of the warp's mean squared strain in the loss.

    Raises
    ------
    ValueError
        A number is out of range, or the box is turned round.
    """

    classes: int
    box_low: tuple[float, float, float] = (-90.0, -126.0, -86.0)
    box_high: tuple[float, float, float] = (90.0, 92.0, 98.0)
    width: int = 128
    depth: int = 4
    omega: float = 30.0
    scale: float = 80.0
    hidden: tuple[int, ...] = (320, 320)
    reads_activations: bool = True
    aligned_wavelengths: tuple[float, ...] = ()
    warped_wavelengths: tuple[float, ...] = ()
    spacings: tuple[float, ...] = (24.0, 12.0, 6.0)
    warp_iterations: int = 100
    warp_rate: float = 0.5
    appearance_rate: float = 0.01
    weight_rate: float = 1e-4
    smoothness: float = 0.1

    has_template_network = True
    of_the_head = Architecture.of_the_head | {
        "reads_activations",
        "aligned_wavelengths",
        "warped_wavelengths",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.wavelengths, default=1.0) <= 0:
            raise ValueError("wavelengths must be positive")
        if min(self.spacings, default=0.0) <= 0:
            raise ValueError("spacings must be positive, one or more")
        if self.warp_iterations < 1:
            raise ValueError("warp_iterations must be 1 or more")
        # An estimate, because the exact number may be too large to be told.
        nodes = (
            math.prod((high - low) / spacing + 1 for low, high in zip(*self.box, strict=True))
            for spacing in self.spacings
        )
        if sum(nodes) > _MOST_NODES:
            raise ValueError("spacings must be larger: the warp has too many nodes")

    @property
    def wavelengths(self) -> tuple[float, ...]:
        """All in which the head reads positions."""
        return self.aligned_wavelengths + self.warped_wavelengths

    @property
    @override
    def head_inputs(self) -> int:
        others = self.width * self.depth if self.reads_activations else len(BLURS)
        # A sine and a cosine of each coordinate in each wavelength.
        return 6 * len(self.wavelengths) + others + len(BLURS) + SEEN

    @override
    def shared_shapes(self) -> Shapes:
        intensity = _dense("template.intensity", self.width, len(BLURS))
        return {**super().shared_shapes(), **self._sines("template.sine"), **intensity}


@dataclass(frozen=True)
class SirenSettings(Architecture):
    """Architecture and step size of a `SirenNetwork`; stands in the model's card.

    Attributes
    ----------
    classes : int
        With background.
    width, depth : int
        Sine layers.
    omega : float
        Their frequency factor.
    scale : float
        Template mm that are 1 for the network.
    hidden : tuple of int
        Hidden layers of the head.
    weight_rate : float
        Adam step size of the fit; learned ones are factors of it.
    layer_rates : tuple of float
        Step size of each sine layer over `weight_rate`; empty: all alike. Late layers that stand
        almost still keep the meaning that the head has learnt.
    settled : int
        Iteration from which the step sizes fall with its square, so that a fit which goes on and on
        does not undo what the head reads.
    learned_rates : {"none", "layer", "weight"}
        Whether each layer's weights and biases, or every single weight, have a step size of
        their own, learned with the start and kept among the shared weights.
    box_low, box_high : tuple of 3 float
        Corners of the template box, mm.

    Raises
    ------
    ValueError
        A number is out of range, the box is turned round, `learned_rates` is none of the words it
        may be, or `layer_rates` is not one per layer.
    """

    classes: int
    width: int = 256
    depth: int = 5
    omega: float = 30.0
    scale: float = 100.0
    hidden: tuple[int, ...] = (256,)
    weight_rate: float = 1e-4
    layer_rates: tuple[float, ...] = ()
    settled: int = 100
    learned_rates: str = "none"
    box_low: tuple[float, float, float] = (-90.0, -126.0, -86.0)
    box_high: tuple[float, float, float] = (90.0, 92.0, 98.0)

    can_be_meta_learned = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learned_rates not in ("none", "layer", "weight"):
            raise ValueError(f"learned_rates is {self.learned_rates!r}")
        if len(self.layer_rates) not in (0, self.depth):
            raise ValueError(f"layer_rates needs {self.depth} numbers or none")

    @override
    def shared_shapes(self) -> Shapes:
        fitted = {**self._sines("sine"), **_dense("intensity", self.width, 1)}
        rates: Shapes = {}
        if self.learned_rates != "none":
            single = self.learned_rates == "weight"
            rates = {
                f"log_rates.{i}": shape if single else () for i, shape in enumerate(fitted.values())
            }
        return {**super().shared_shapes(), **fitted, **rates}


FAMILIES: dict[str, type[Architecture]] = {"warped": WarpedSettings, "siren": SirenSettings}
"""Settings of each family by its name in a card."""


def _dense(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
