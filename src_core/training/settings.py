"""What is trained, on what, and for how long."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.fitting.device import DeviceName
from src_core.fitting.settings import FitSettings
from src_core.io.labels import Protocol
from src_core.io.protocols import PROTOCOLS, protocol, read_protocol
from src_core.networks.settings import FAMILIES
from src_core.training.changes.settings import AugmentSettings, SliceSettings


@dataclass(frozen=True)
class ExampleSettings:
    """What the network gets to see of each training scan.

    Attributes
    ----------
    variants : int
        Per training scan: as it is, mirrored, and from the third on changed at random. Where a
        structure of one side has no partner on the other, nothing is mirrored.
    points : int
        Brain voxels kept of each, drawn at random.
    label_maps : Path or None
        Folder of label maps of whole heads, without images, with FreeSurfer's ids; for each,
        `synthetic` scans are made up to train on.
    synthetic : int
    slices : SliceSettings or None
        The model is for single slices; None: for volumes.
    tissues : str
        Protocol whose structures' names tell what ages in the label maps; "": the trained one.
        Without cortex and white matter in it nothing ages.
    augment : AugmentSettings
        How scans are changed.

    Raises
    ------
    InputError
        A value is out of range.
    """

    variants: int = 6
    points: int = 200_000
    label_maps: Path | None = None
    synthetic: int = 2
    slices: SliceSettings | None = None
    tissues: str = ""
    augment: AugmentSettings = field(default_factory=AugmentSettings)

    def __post_init__(self) -> None:
        for name in ("variants", "points"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: {getattr(self, name)} is not a positive number")
        if self.synthetic < 0:
            raise InputError(f"synthetic: {self.synthetic} is negative")


@dataclass(frozen=True)
class NetworkSettings:
    """What of the family's architecture is chosen; None: as the family has it.

    Attributes
    ----------
    width, depth : int or None
        Of the sine layers.
    omega : float or None
        Their frequency factor.
    scale : float or None
        Template mm that are 1 for the network.
    hidden : tuple of int or None
        Hidden layers of the head.
    weight_rate : float or None
        Adam step size of the sine layers in a fit.
    layer_rates : tuple of float or None
        Step size of each sine layer over `weight_rate`, of the siren family.
    warp_iterations : int or None
    appearance_rate : float or None
        Adam step size of what maps intensities to the template's in a fit, of the warped family.
    reads_activations : bool or None
    aligned_wavelengths, warped_wavelengths : tuple of float or None
        Of the warped family.
    learned_rates : {"none", "layer", "weight"} or None
        Of the siren family.
    """

    width: int | None = None
    depth: int | None = None
    omega: float | None = None
    scale: float | None = None
    hidden: tuple[int, ...] | None = None
    weight_rate: float | None = None
    layer_rates: tuple[float, ...] | None = None
    warp_iterations: int | None = None
    appearance_rate: float | None = None
    reads_activations: bool | None = None
    aligned_wavelengths: tuple[float, ...] | None = None
    warped_wavelengths: tuple[float, ...] | None = None
    learned_rates: Literal["none", "layer", "weight"] | None = None

    def chosen(self) -> dict[str, Any]:
        """Those that are given."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class LoopSettings:
    """How long and how fast a loss is made small.

    Attributes
    ----------
    steps : int
    rate : float
        Largest Adam step size; it rises over the first 2 % of the steps and falls along a cosine
        to a hundredth.
    scans : int
        Examples per step and process.
    points : int
        Random points of each.
    judge_every : int
        Steps between two looks at the scans that are not trained on.
    patience : int
        Looks without improvement after which the loop ends early; 0: it never does.

    Raises
    ------
    InputError
        A value is out of range.
    """

    steps: int = 3000
    rate: float = 1e-3
    scans: int = 8
    points: int = 2048
    judge_every: int = 500
    patience: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "scans", "points", "judge_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: {getattr(self, name)} is not a positive number")
        if self.rate <= 0 or self.patience < 0:
            raise InputError("rate must be above 0, patience 0 or more")

    def rate_at(self, step: int) -> float:
        """Adam step size at a step, the first being 0."""
        warm = min(1.0, (step + 1) / (0.02 * self.steps))
        return self.rate * warm * (0.505 + 0.495 * math.cos(math.pi * step / self.steps))


@dataclass(frozen=True)
class MetaSettings:
    """How the start of a `SirenNetwork` is meta-learned.

    Attributes
    ----------
    inner_steps : int
        Adam steps of the inner loop; 0 trains the shared weights jointly on all scans.
    inner_rate : float
        Their step size; multiplied with the learned factors if there are any.
    inner_loss : {"image", "joint"}
        What the inner steps make small: the squared error of the intensities alone, as a fit
        does, or with the loss of the labels, as in the paper; then they move the head, too.
    order : {1, 2}
        2: the outer gradient goes through the inner gradients; 1: these count as constants.
    head_rate, log_rate_rate : float
        Step size of the head, and of the logarithms of learned step sizes, over that of the
        start.
    intensity_weight : float
        Of the squared error against the loss of the labels.
    label_loss : {"focal", "dice"}
        Focal loss, or cross-entropy with soft Dice.
    focal_gamma : float
        Of the focal loss.
    turn, shift, stretch, bend : float
        Standard deviations of the random error of the positions of a scan, which training
        should know: a rotation in degrees, a shift in mm, a share of the size, and a smooth
        displacement in mm.

    Raises
    ------
    InputError
        A word or an order that has no meaning.
    """

    inner_steps: int = 10
    inner_rate: float = 1e-4
    inner_loss: Literal["image", "joint"] = "image"
    order: Literal[1, 2] = 1
    head_rate: float = 10.0
    log_rate_rate: float = 100.0
    intensity_weight: float = 10.0
    label_loss: Literal["focal", "dice"] = "focal"
    focal_gamma: float = 1.0
    turn: float = 0.0
    shift: float = 0.0
    stretch: float = 0.0
    bend: float = 0.0

    def __post_init__(self) -> None:
        for name, choices in (
            ("order", (1, 2)),
            ("inner_loss", ("image", "joint")),
            ("label_loss", ("focal", "dice")),
        ):
            if getattr(self, name) not in choices:
                raise InputError(f"{name} must be one of {choices}, not {getattr(self, name)!r}")


@dataclass(frozen=True)
class TrainingSettings:
    """A training as a whole.

    Attributes
    ----------
    data : DataSettings
    output : Path
        Model file.
    name : str
        Of the model; by default that of the file.
    description : str
        For the card; by default made of the protocol.
    licence : str
        Of the weights, for the card; by default that of `from_model` or `template`, whose weights
        are in them.
    precision : {"float32", "float16"}
        Of the weights in the model file.
    family : {"warped", "siren"}
    protocol : str
        One of the package by its name, or a name for the own `structures`.
    structures : Path or None
        Table of the protocol's structures; see `src_core.io.protocols.read_protocol`.
    network : NetworkSettings
    examples : ExampleSettings
    fit : FitSettings or None
        As at test time; stands in the card. None: as `from_model` has it, or as usual.
    template : Path or None
        Model, a file or the name of a bundled one, whose intensity rule and template network are
        taken over (siren family: the picture that this network shows); None: they are made of the
        scans.
    from_model : Path or None
        Model of the same family, protocol and kind of scans that training goes on from, a file or
        the name of a bundled one: all of it is taken over and its head trained further. None:
        from random weights.
    average_with : Path or None
        Model that `from_model` is, or was itself trained further from: the head that is written
        is the mean of its and the trained one, which knows scans of other scanners better than
        either [1]_. None: as trained.
    rounds : int
        How often the scans are warped onto their mean picture (warped family).
    meta : MetaSettings or None
        Inner loop of the outer loop `outer` after the start (siren family); None: no meta-learning.
    outer : LoopSettings
    start, head : LoopSettings
        Training of the shared weights, and of the head on fitted networks.
    unchanged : float
        Share of scans that are as they came or mirrored in the head's training.
    work : Path or None
        Folder of checkpoints and logs; None: beside the output.
    cache : Path or None
        Folder of examples and fits, which trainings on the same data may share; None: the work
        folder.
    seed : int
    device : DeviceName
    threads : int or None
        CPU threads; None: all.

    Raises
    ------
    InputError
        If a value is out of range.

    References
    ----------
    .. [1] M. Wortsman et al. Robust fine-tuning of zero-shot models. CVPR 2022.
    """

    data: DataSettings
    output: Path
    name: str = ""
    description: str = ""
    licence: str = ""
    precision: Literal["float32", "float16"] = "float32"
    family: Literal["warped", "siren"] = "warped"
    protocol: str = "tissue4"
    structures: Path | None = None
    network: NetworkSettings = field(default_factory=NetworkSettings)
    examples: ExampleSettings = field(default_factory=ExampleSettings)
    fit: FitSettings | None = None
    template: Path | None = None
    from_model: Path | None = None
    average_with: Path | None = None
    rounds: int = 2
    meta: MetaSettings | None = None
    outer: LoopSettings = field(
        default_factory=lambda: LoopSettings(steps=5000, rate=1e-4, scans=4, points=1024)
    )
    start: LoopSettings = field(default_factory=LoopSettings)
    head: LoopSettings = field(default_factory=LoopSettings)
    unchanged: float = 0.6
    work: Path | None = None
    cache: Path | None = None
    seed: int = 0
    device: DeviceName = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.output.suffix != ".safetensors":
            raise InputError(f"output: {self.output.name} must end in .safetensors")
        if self.structures and self.protocol in PROTOCOLS:
            raise InputError(
                f"protocol: {self.protocol} is one of the package; give your own structures another"
                " name"
            )
        if self.from_model and (self.template or self.meta or self.network.chosen()):
            raise InputError("from_model: leave template, [meta] and [network] out, they are its")
        if self.average_with and not self.from_model:
            raise InputError("average_with: only a model that is trained further can be averaged")
        family = FAMILIES.get(self.family)
        needs_template = self.examples.slices and family and family.has_template_network
        if needs_template and not (self.template or self.from_model):
            raise InputError(
                "template: give the model for volumes whose template slices are put in"
            )
        if self.meta and not (family and family.can_be_meta_learned):
            raise InputError("meta: only models of the siren family are meta-learned")
        if not 0 <= self.unchanged <= 1:
            raise InputError(f"unchanged: {self.unchanged} is no share; give a number from 0 to 1")
        if self.rounds < 0:
            raise InputError(f"rounds: {self.rounds} is negative")
        if self.seed < 0:
            raise InputError(f"seed: {self.seed} is negative")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads: {self.threads} is not a positive number")

    @property
    def work_folder(self) -> Path:
        """Folder of checkpoints and logs."""
        return self.work or self.output.with_suffix(".training")

    @property
    def cache_folder(self) -> Path:
        """Folder of examples and fits."""
        return self.cache or self.work_folder

    @property
    def model_name(self) -> str:
        """Name for the model's card."""
        return self.name or self.output.stem

    def read_protocol(self) -> Protocol:
        """The structures to be learned.

        Raises
        ------
        InputError
            The protocol is unknown, or its table can't be used.
        """
        if self.structures:
            return read_protocol(self.structures, self.protocol)
        return protocol(self.protocol)
