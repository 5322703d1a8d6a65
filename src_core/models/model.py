"""Model files: shared weights and a card that says what they are.

A model file is a safetensors file whose metadata holds the card as JSON. Nothing in it is
ever executed, and everything is checked before it is used.
"""

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from src_core.errors import InputError
from src_core.fitting.settings import FitSettings
from src_core.io.files import complete_files
from src_core.io.labels import Protocol
from src_core.models.bundled import MODEL_SUFFIX, bundled_model_files
from src_core.networks.base import CoordinateNetwork
from src_core.networks.settings import SirenSettings, WarpedSettings
from src_core.networks.sine import CHUNK
from src_core.networks.siren import SirenNetwork
from src_core.networks.warped import WarpedNetwork
from src_core.space.intensity import LEVELS, IntensityRule
from src_core.space.slices import SliceRange
from src_core.space.template import TemplateImage

FORMAT = 2
_FAMILIES: dict[str, tuple[type, type]] = {
    "warped": (WarpedNetwork, WarpedSettings),
    "siren": (SirenNetwork, SirenSettings),
}
_REQUIRED = {
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


@dataclass(frozen=True, eq=False)
class Model:
    """Shared weights with their card.

    Attributes
    ----------
    name : str
    card : dict
        As in the file.
    protocol : Protocol
    rule : IntensityRule
    fit : FitSettings
        Recommended.
    sha256 : str
        Of the file.
    slices : SliceRange or None
        What single slices it is for (optional field ``slice`` of the card); None: for volumes.
    """

    name: str
    card: dict[str, Any]
    protocol: Protocol
    rule: IntensityRule
    fit: FitSettings
    sha256: str
    weights: dict[str, Tensor]
    slices: SliceRange | None = None

    def network(self) -> CoordinateNetwork:
        """A new network at its start, on the CPU."""
        network = build_network(self.card["family"], self.card["architecture"])
        network.load_state_dict(self.weights, strict=False)
        return network

    def picture(self) -> TemplateImage:
        """The template that scans are aligned to.

        It is drawn by the model's own network at its start, or by that of the bundled model which
        the optional field ``picture`` of the card names.

        Raises
        ------
        InputError
            There is no such model.
        """
        drawn_by = load_model(self.card["picture"]) if "picture" in self.card else self
        return template_image(drawn_by.network())

    @property
    def size(self) -> int:
        """Number of shared weights."""
        return sum(tensor.numel() for tensor in self.weights.values())


def build_network(family: str, architecture: dict[str, Any]) -> CoordinateNetwork:
    """A network with random weights.

    Parameters
    ----------
    family : {"warped", "siren"}
    architecture : dict
        Fields of the family's settings.

    Raises
    ------
    InputError
        Unknown family or fields.
    """
    if family not in _FAMILIES:
        raise InputError(f"unknown family {family!r}; there are {', '.join(_FAMILIES)}")
    network_type, settings_type = _FAMILIES[family]
    try:
        return network_type(_settings(settings_type, architecture, "architecture"))
    except InputError:
        raise
    except (ValueError, RuntimeError) as error:
        raise InputError(f"the card's architecture can't be built: {error}") from error


def _settings(kind: type, values: dict[str, Any], what: str) -> Any:
    """Settings of a kind from a part of the card; each field must be of the type declared."""
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    hints = get_type_hints(kind)
    for name, value in values.items():
        if name not in hints or not _is_of_type(value, hints[name]):
            raise InputError(f"its {what} has no valid field {name!r}: {value!r}")
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
    return isinstance(value, int | float if hint is float else hint)


@torch.no_grad()
def template_image(network: CoordinateNetwork, spacing: float = 4.0) -> TemplateImage:
    """What a network at its start takes for the template.

    Parameters
    ----------
    network : CoordinateNetwork
    spacing : float
        mm.

    Returns
    -------
    TemplateImage
        One channel, fit for `alignment.align`.
    """
    low, high = map(np.array, network.settings.box)
    shape = (np.ceil((high - low) / spacing) + 1).astype(int).tolist()
    empty = TemplateImage(torch.zeros(1, *shape), tuple(low.tolist()), spacing)
    parts = [network.template_intensity(p) for p in empty.positions().split(CHUNK)]
    values = torch.cat(parts).view(1, *shape)
    # Ripples of the sine network outside the brain are no picture.
    return dataclasses.replace(empty, values=torch.where(values > 0.1, values, 0.0))


def bundled_models() -> list[str]:
    """Names of the models that come with the package."""
    return list(bundled_model_files())


def load_model(name: str | Path) -> Model:
    """Load a bundled model by name or any model by path.

    Parameters
    ----------
    name : str or Path
        "brain3d-tissue", or a file that ends in .safetensors.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        Unknown name, missing or damaged file, or a card that does not fit.
    """
    path = bundled_model_files().get(str(name))
    if path is None:
        path = Path(name)
        if path.suffix != MODEL_SUFFIX and os.sep not in str(name):
            known = ", ".join(bundled_models()) or "none"
            raise InputError(
                f"unknown model {str(name)!r}; bundled models: {known}; "
                f"give a {MODEL_SUFFIX} file for one of your own"
            )
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    return _read(path)


def _read(path: Path) -> Model:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: damaged model file ({error}); get it again") from error
    try:
        return _checked(json.loads(metadata["card"]), weights, digest)
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a model of this program: {error}") from error


def _checked(card: Any, weights: dict[str, Tensor], digest: str) -> Model:
    if not isinstance(card, dict):
        raise InputError("its card is no object")
    for field, kind in _REQUIRED.items():
        if not isinstance(card.get(field), kind):
            raise InputError(f"its card has no valid field {field!r}")
    if not isinstance(card.get("picture", ""), str):
        raise InputError("its card has no valid field 'picture'")
    if card["format"] != FORMAT:
        raise InputError(f"its format is {card['format']}, this version reads {FORMAT}")
    goals = tuple(float(goal) for goal in card["intensity_goals"])
    if len(goals) != len(LEVELS) or any(b <= a for a, b in pairwise(goals)):
        raise InputError(f"intensity_goals must be {len(LEVELS)} rising numbers")
    protocol = Protocol.from_json(card["protocol"])
    if "iterations" not in card["fit"]:
        raise InputError("its fit is not complete: no iterations")
    fit = _settings(FitSettings, card["fit"], "fit")
    if fit.iterations < 0 or fit.points < 1:
        raise InputError("its fit needs iterations of 0 or more and points of 1 or more")
    network = build_network(card["family"], card["architecture"])
    if network.settings.classes != len(protocol.ids):
        raise InputError("its number of classes is not that of its protocol")
    expected = {name: tensor.shape for name, tensor in network.shared_state().items()}
    found = {name: tensor.shape for name, tensor in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise InputError(
                f"weight {name!r} has shape {found.get(name)} instead of {expected.get(name)}"
            )
    if not all(torch.isfinite(tensor).all() for tensor in weights.values()):
        raise InputError("its weights are not all finite")
    rule = IntensityRule(goals)
    slices = _slices(card["slice"], network) if "slice" in card else None
    return Model(card["name"], card, protocol, rule, fit, digest, weights, slices)


def _slices(values: Any, network: CoordinateNetwork) -> SliceRange:
    if not isinstance(values, dict):
        raise InputError(f"its slice must be an object: {values!r}")
    slices: SliceRange = _settings(SliceRange, values, "slice")
    box = network.settings
    low, high = slices.range
    if not box.box_low[slices.number] <= low < high <= box.box_high[slices.number]:
        raise InputError(f"the range of its slices leaves the template's box: {low} to {high}")
    return slices


def write_model(
    network: CoordinateNetwork,
    card: dict[str, Any],
    path: Path,
    precision: Literal["float32", "float16"] = "float32",
) -> None:
    """Write a model file, checked and complete or not at all.

    Parameters
    ----------
    network : CoordinateNetwork
        Whose shared weights are written.
    card : dict
        All fields that a card must have.
    path : Path
        Ends in .safetensors; replaced if it exists.
    precision : {"float32", "float16"}
        Of the weights in the file; half the size with float16.

    Raises
    ------
    InputError
        The card is not complete, or the file can't be written.
    """
    kind = getattr(torch, precision)
    weights = {name: value.to(kind).contiguous() for name, value in network.shared_state().items()}
    _checked(card, weights, "")
    with complete_files([path], overwrite=True) as (file,):
        save_file(weights, file, metadata={"card": json.dumps(card)})
        file.chmod(0o644)  # safetensors gives it to its owner alone
