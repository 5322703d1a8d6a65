"""What is trained on what: all that the settings name, read and checked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from src_core.datasets.find import read_scans
from src_core.datasets.labelled import LabelledScan, check
from src_core.datasets.mapping import read_mapping
from src_core.errors import InputError
from src_core.fitting.settings import FitSettings
from src_core.io.protocols import protocol
from src_core.models.bundled import bundled_models
from src_core.models.card import architecture_of
from src_core.models.model import Model, build_network, load_model
from src_core.training import distributed
from src_core.training.cache import claim
from src_core.training.changes.mirroring import mirrored_classes
from src_core.training.config import to_json
from src_core.training.examples.claim import examples_depend_on

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from src_core.io.labels import Protocol
    from src_core.networks.base import CoordinateNetwork
    from src_core.space.template import TemplateImage
    from src_core.training.settings import TrainingSettings

USED = ("train", "val")
"""Splits that training looks at."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is trained on what.

    Attributes
    ----------
    settings : TrainingSettings
    protocol : Protocol
        The structures to be learned.
    everybody : list of LabelledScan
        Scans of all splits.
    mapping : ndarray of uint8
        Class by label id.
    tissues : Protocol
        Protocol whose structures' names tell what ages.
    template, earlier, averaged : Model or None
        Those that `template`, `from_model` and `average_with` of the settings name.
    """

    settings: TrainingSettings
    protocol: Protocol
    everybody: list[LabelledScan]
    mapping: np.ndarray
    tissues: Protocol
    template: Model | None
    earlier: Model | None
    averaged: Model | None

    @property
    def scans(self) -> list[LabelledScan]:
        """Scans to train and to validate on."""
        return [scan for scan in self.everybody if scan.split in USED]

    @property
    def mirrors(self) -> bool:
        """Whether scans can be mirrored: no structure lacks its partner on the other side."""
        return mirrored_classes(self.protocol) is not None

    @property
    def given(self) -> Model | None:
        """The model that something is taken over from."""
        return self.earlier or self.template

    @property
    def fit(self) -> FitSettings:
        """How scans are fitted with the finished model."""
        return self.settings.fit or (self.earlier.fit if self.earlier else FitSettings())

    @property
    def whole_fit(self) -> FitSettings:
        """The same without looks, and to the end."""
        return replace(self.fit, seed=self.settings.seed, look_every=0, earliest_stop=None)

    def fit_fingerprint(self, network: CoordinateNetwork, **others: Any) -> str:
        """Name for all that fits depend on besides the examples; heads are read after them."""
        told = {"fit": self.whole_fit, "network": network.settings.of_the_fit(), **others}
        return hashlib.sha256(json.dumps(to_json(told)).encode()).hexdigest()[:12]


def read_task(settings: TrainingSettings) -> Task:
    """Read what a training needs.

    Raises
    ------
    InputError
        A file is missing or can't be used.
    """
    learned = settings.read_protocol()
    everybody = read_scans(settings.data)
    mapping = read_mapping(settings.data, learned)
    check([scan for scan in everybody if scan.split in USED], mapping)
    tissues = settings.examples.tissues
    return Task(
        settings,
        learned,
        everybody,
        mapping,
        protocol(tissues) if tissues else learned,
        template=_load(settings.template),
        earlier=_load(settings.from_model),
        averaged=_load(settings.average_with),
    )


def new_network(task: Task) -> CoordinateNetwork:
    """Where training begins: with random weights, a template network, or all of a model.

    Raises
    ------
    InputError
        The given model does not fit the settings.
    """
    settings = task.settings
    if task.earlier:
        _check_kind(task.earlier, task)
        if task.averaged and task.averaged.card.architecture != task.earlier.card.architecture:
            raise InputError(f"average_with: {task.averaged.name} is of another architecture")
        return task.earlier.network()
    architecture = {"classes": len(task.protocol.ids)} | settings.network.chosen()
    network = build_network(architecture_of(settings.family, architecture))
    if task.template and network.settings.has_template_network:
        _take_over(task.template, network)
    return network


def claim_folders(
    task: Task, network: CoordinateNetwork, slice_picture: TemplateImage | None
) -> None:
    """Make the folder of examples and the work folder serve this training only.

    Parameters
    ----------
    task : Task
    network : CoordinateNetwork
    slice_picture : TemplateImage or None
        What single slices are put in; None: volumes are seen whole.

    Raises
    ------
    InputError
        A folder serves another one.
    """
    settings = task.settings
    seen = examples_depend_on(
        settings.data,
        task.scans,
        settings.examples,
        task.tissues,
        task.mirrors,
        slice_picture,
        settings.seed,
    )
    trained = {
        "family": settings.family,
        "protocol": task.protocol.to_json(),
        "mapping": task.mapping.tolist(),
        "architecture": network.settings.to_json(),
        "fit": task.fit,
        "rounds": settings.rounds,
        "template": task.given.sha256 if task.given else None,
        "further": True if task.earlier else None,
        "start": settings.start,
        "meta": settings.meta,
        "outer": settings.outer,
        "head": settings.head,
        "unchanged": settings.unchanged,
    }
    if distributed.rank() == 0:
        claim(settings.cache_folder / "examples", seen)
        claim(settings.work_folder, seen | to_json(trained))
    distributed.wait()


def _load(path: Path | None) -> Model | None:
    """A model file, or a bundled model by its name."""
    if path is None:
        return None
    return load_model(path.name if path.name in bundled_models() else path)


def _check_kind(model: Model, task: Task) -> None:
    """Raise an `InputError` if a model can't be trained further with these settings."""
    slices = task.settings.examples.slices and task.settings.examples.slices.where
    for what, own, wanted in (
        ("family", model.card.family, task.settings.family),
        ("protocol", model.protocol, task.protocol),
        ("slices", model.slices, slices),
    ):
        if own != wanted:
            raise InputError(f"from_model: {model.name} has another {what} than the settings")


def _take_over(model: Model, network: CoordinateNetwork) -> None:
    """Start from the template network of another model."""
    other = model.network()
    if not other.settings.has_template_network:
        raise InputError("template: only models of the warped family have a template network")
    try:
        network.take_over_template(other)
    except ValueError as error:
        raise InputError(
            f"template: {model.name} has another width or depth; give [network] the same"
        ) from error
