"""The card of a model: what its file says about it; the one home of the card's fields."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from reprlib import repr as shortened
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from src_core.errors import InputError
from src_core.fitting.settings import FitSettings
from src_core.io.labels import Protocol
from src_core.io.protocols import as_known
from src_core.networks.settings import FAMILIES, Architecture
from src_core.space.intensity import LEVELS, IntensityRule
from src_core.space.slices import SliceRange

FORMAT = 2
"""Version of the fields."""
SPACE = "MNI152, mm (RAS)"

_KINDS = {
    "format": int,
    "name": str,
    "description": str,
    "family": str,
    "architecture": dict,
    "protocol": dict,
    "space": str,
    "intensity_goals": list,
    "fit": dict,
    "training": dict,
    "scores": dict,
    "licence": str,
}
_RECOMMENDED = ("iterations", "points", "earliest_stop")
"""Settings of the fit that every card says; of the others only those that are unusual."""
_LARGEST = 2**63 - 1
"""Number."""
_Settings = TypeVar("_Settings")


@dataclass(frozen=True)
class Card:
    """What a model is, and how it is used.

    Attributes
    ----------
    name, description, licence : str
    architecture : Architecture
        Settings of its network, of the type of its family.
    protocol : Protocol
        What its classes are.
    rule : IntensityRule
        How the intensities of a scan are normalised.
    fit : FitSettings
        Recommended.
    training, scores : dict
        How it was made and how good it was then; values that JSON can hold.
    space : str
        Of its template.
    slices : SliceRange or None
        What single slices it is for; None: for volumes.
    picture : str or None
        Bundled model whose network draws the template that scans are aligned to; None: its own.

    Raises
    ------
    InputError
        The parts do not fit each other.
    """

    name: str
    description: str
    architecture: Architecture
    protocol: Protocol
    rule: IntensityRule
    fit: FitSettings
    training: dict[str, Any]
    scores: dict[str, Any]
    licence: str
    space: str = SPACE
    slices: SliceRange | None = None
    picture: str | None = None

    def __post_init__(self) -> None:
        goals = self.rule.goals
        if len(goals) != len(LEVELS) or not all(a < b for a, b in pairwise(goals)):
            raise InputError(f"intensity_goals must be {len(LEVELS)} rising numbers")
        if self.fit.iterations < 0 or self.fit.points < 1:
            raise InputError("its fit needs iterations of 0 or more and points of 1 or more")
        if self.architecture.classes != len(self.protocol.ids):
            raise InputError("its number of classes is not that of its protocol")
        if self.slices:
            lowest, highest = (corner[self.slices.number] for corner in self.architecture.box)
            low, high = self.slices.range
            if not lowest <= low < high <= highest:
                raise InputError(
                    f"the range of its slices leaves the template's box: {low} to {high}"
                )

    @property
    def family(self) -> str:
        """Name of the family of its network."""
        return next(name for name, kind in FAMILIES.items() if type(self.architecture) is kind)

    @property
    def untrained(self) -> bool:
        """Whether it has no structures, and random weights: those that are painted are learned."""
        return not self.protocol.structures

    def require_structures(self) -> None:
        """Refuse a model that labels nothing by itself.

        Raises
        ------
        InputError
            It is untrained.
        """
        if self.untrained:
            raise InputError(
                f"{self.name} was not trained and has no structures: it labels only what is"
                " painted, in the window or in a file of corrections; choose a trained model"
            )

    @property
    def size(self) -> int:
        """Number of shared weights."""
        return sum(map(math.prod, self.architecture.shared_shapes().values()))

    @property
    def training_scans(self) -> tuple[str, ...]:
        """Names of the scans that it was trained on, as far as they are told."""
        scans = self.training.get("scans")
        names = scans.get("train") if isinstance(scans, dict) else None
        return tuple(map(str, names)) if isinstance(names, list | tuple) else ()

    @property
    def mean_dice(self) -> float | None:
        """Mean over the structures, as measured when the model was made; None if it was not."""
        value = self.scores.get("mean_foreground")
        return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None

    @classmethod
    def from_json(cls, values: Any) -> Card:
        """The card that a file holds, with every field checked.

        Parameters
        ----------
        values
            As from `json.loads`.

        Raises
        ------
        InputError
            A field is missing, unknown or wrong.
        """
        if not isinstance(values, dict):
            raise InputError("its card is no object")
        for field, kind in _KINDS.items():
            if not isinstance(values.get(field), kind):
                raise InputError(f"its card has no valid field {field!r}")
        picture = values.get("picture")
        if "picture" in values and not isinstance(picture, str):
            raise InputError("its card has no valid field 'picture'")
        if values["format"] != FORMAT:
            raise InputError(f"its format is {values['format']}, this version reads {FORMAT}")
        if "iterations" not in values["fit"]:
            raise InputError("its fit is not complete: no iterations")
        return cls(
            name=values["name"],
            description=values["description"],
            architecture=architecture_of(values["family"], values["architecture"]),
            protocol=as_known(Protocol.from_json(values["protocol"])),
            rule=IntensityRule(_numbers(values["intensity_goals"])),
            fit=_settings(FitSettings, values["fit"], "fit"),
            training=values["training"],
            scores=values["scores"],
            licence=values["licence"],
            space=values["space"],
            slices=_settings(SliceRange, values["slice"], "slice") if "slice" in values else None,
            picture=picture,
        )

    def to_json(self) -> dict[str, Any]:
        """All fields as values that JSON can hold."""
        usual = FitSettings()
        values: dict[str, Any] = {
            "format": FORMAT,
            "name": self.name,
            "description": self.description,
            "family": self.family,
            "architecture": self.architecture.to_json(),
            "protocol": self.protocol.to_json(),
            "space": self.space,
            "intensity_goals": list(self.rule.goals),
            "fit": {
                name: value
                for name, value in vars(self.fit).items()
                if name in _RECOMMENDED or value != getattr(usual, name)
            },
            "training": self.training,
            "scores": self.scores,
            "licence": self.licence,
        }
        if self.slices:
            values["slice"] = {"axis": self.slices.axis, "range": list(self.slices.range)}
        if self.picture is not None:
            values["picture"] = self.picture
        return values


def architecture_of(family: str, values: dict[str, Any]) -> Architecture:
    """Settings of a network of some family.

    Parameters
    ----------
    family : {"warped", "siren"}
    values : dict
        Fields of the family's settings.

    Raises
    ------
    InputError
        Unknown family or fields, or values of which no network can be built.
    """
    if family not in FAMILIES:
        raise InputError(f"unknown family {family!r}; there are {', '.join(FAMILIES)}")
    try:
        return _settings(FAMILIES[family], values, "architecture")
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the card's architecture can't be built: {error}") from error


def _numbers(values: list[Any]) -> tuple[float, ...]:
    try:
        return tuple(map(float, values))
    except (OverflowError, TypeError, ValueError) as error:
        raise InputError(f"intensity_goals must be {len(LEVELS)} rising numbers") from error


def _settings(kind: type[_Settings], values: Any, what: str) -> _Settings:
    """Settings of a kind from a part of the card; each field must be of the type declared."""
    if not isinstance(values, dict):
        raise InputError(f"its {what} must be an object: {values!r}")
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    hints = get_type_hints(kind)
    for name, value in values.items():
        if name not in hints or not _is_of_type(value, hints[name]):
            raise InputError(f"its {what} has no valid field {name!r}: {shortened(value)}")
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError(f"its {what} is not complete: {error}") from error


def _is_of_type(value: Any, hint: Any) -> bool:
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if not isinstance(value, tuple):
            return False
        if kinds[-1] is Ellipsis:
            kinds = kinds[:1] * len(value)
        return len(value) == len(kinds) and all(map(_is_of_type, value, kinds))
    if hint in (int, float):
        # Neither nan nor infinite, which JSON can hold, too.
        return isinstance(value, int | hint) and abs(value) <= _LARGEST
    return isinstance(value, hint)
