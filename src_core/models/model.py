"""Models: shared weights with their card, and the networks that start from them."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from src_core.errors import InputError
from src_core.io.files import complete_files
from src_core.io.labels import Protocol
from src_core.io.protocols import granularities, protocol
from src_core.models.bundled import model_path
from src_core.models.model_file import check_weights, read_model_file
from src_core.networks.settings import Architecture, SirenSettings, WarpedSettings
from src_core.networks.sine import CHUNK
from src_core.networks.siren import SirenNetwork
from src_core.networks.warped import WarpedNetwork
from src_core.space.template import TemplateImage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from src_core.fitting.settings import FitSettings
    from src_core.io.labels import Structure
    from src_core.models.card import Card
    from src_core.networks.base import CoordinateNetwork
    from src_core.space.intensity import IntensityRule
    from src_core.space.slices import SliceRange

_NETWORKS: dict[type[Architecture], Callable[[Any], CoordinateNetwork]] = {
    WarpedSettings: WarpedNetwork,
    SirenSettings: SirenNetwork,
}


@dataclass(frozen=True, eq=False)
class Model:
    """Shared weights with their card.

    Attributes
    ----------
    card : Card
    weights : dict of Tensor
        Shared weights by name, float32.
    sha256 : str
        Checksum of the file.
    coarser : Protocol or None
        That its classes are merged to; None: they are told as they are.
    added : tuple of Structure
        That its own protocol lacks, and that strokes have painted.
    """

    card: Card
    weights: dict[str, Tensor]
    sha256: str
    coarser: Protocol | None = None
    added: tuple[Structure, ...] = ()

    @property
    def name(self) -> str:
        """As the card says."""
        return self.card.name

    @property
    def stamp(self) -> dict[str, str]:
        """Name and checksum, as cards and reports tell them."""
        return {"name": self.name, "sha256": self.sha256}

    @property
    def protocol(self) -> Protocol:
        """What its labels are."""
        if self.coarser is not None or not self.added:
            return self.coarser or self.card.protocol
        own = self.card.protocol
        return Protocol(own.name, (*own.structures, *self.added))

    @property
    def protocols(self) -> tuple[str, ...]:
        """Names of all protocols that it can tell its labels in, the finest first."""
        return tuple(granularities(self.card.protocol))

    @property
    def rule(self) -> IntensityRule:
        """How the intensities of a scan are normalised."""
        return self.card.rule

    @property
    def fit(self) -> FitSettings:
        """Recommended settings of the fit."""
        return self.card.fit

    @property
    def slices(self) -> SliceRange | None:
        """What single slices it is for; None: for volumes."""
        return self.card.slices

    @property
    def size(self) -> int:
        """Number of shared weights."""
        return self.card.size

    def network(self) -> CoordinateNetwork:
        """A new network at its start, on the CPU."""
        network = build_network(self.card.architecture)
        network.load_state_dict(self.weights, strict=False)
        network.head.sums = self.sums()
        return network

    def sums(self) -> Tensor | None:
        """What merges its classes to its labels, see `merged_scores`; None if nothing need be."""
        if self.coarser is None:
            return None
        merged = torch.from_numpy(granularities(self.card.protocol)[self.coarser.name])
        return torch.nn.functional.one_hot(merged.long()).float()

    def finest(self) -> Model:
        """The same model with its labels told as they were learnt."""
        return dataclasses.replace(self, coarser=None)

    def in_protocol(self, name: str | None) -> Model:
        """The same model with its labels told in another protocol, or as it is for None.

        Raises
        ------
        InputError
            Its classes can't be merged to that.
        """
        if name is None:
            return self
        if name not in self.protocols:
            raise InputError(
                f"{self.name} has no labels of {name!r}; it has {', '.join(self.protocols)}"
            )
        own = name == self.card.protocol.name
        return dataclasses.replace(self, coarser=None if own else protocol(name))

    def template(self) -> TemplateImage:
        """The template that scans are aligned to.

        It is drawn by the model's own network at its start, or by that of the bundled model which
        the card names.

        Raises
        ------
        InputError
            There is no such model.
        """
        drawn_by = self if self.card.picture is None else load_model(self.card.picture)
        return template_image(drawn_by.network())


def build_network(architecture: Architecture) -> CoordinateNetwork:
    """A network with random weights, of the family of its settings."""
    return _NETWORKS[type(architecture)](architecture)


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
    file = read_model_file(model_path(name))
    weights = {name: torch.from_numpy(values).float() for name, values in file.weights.items()}
    return Model(file.card, weights, file.sha256)


def write_model(
    network: CoordinateNetwork,
    card: Card,
    path: Path,
    precision: Literal["float32", "float16"] = "float32",
) -> None:
    """Write a model file, checked and complete or not at all.

    Parameters
    ----------
    network : CoordinateNetwork
        Whose shared weights are written.
    card : Card
    path : Path
        Ends in .safetensors; replaced if it exists.
    precision : {"float32", "float16"}
        Of the weights in the file; half the size with float16.

    Raises
    ------
    InputError
        The weights are not those of the card's network, or the file can't be written.
    """
    kind = getattr(torch, precision)
    weights = {name: value.to(kind).contiguous() for name, value in network.shared_state().items()}
    check_weights(card, {name: value.cpu().numpy() for name, value in weights.items()})
    with complete_files([path], overwrite=True) as (file,):
        save_file(weights, file, metadata={"card": json.dumps(card.to_json())})
        file.chmod(0o644)  # safetensors gives it to its owner alone
