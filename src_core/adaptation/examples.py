"""What the head learns from: corrected scans, fitted as at test time, plain and changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from src_core.adaptation.corrected import CORRECTED
from src_core.datasets.mapping import IGNORED
from src_core.fitting.cascade import decode_classes
from src_core.fitting.fit import Fit
from src_core.networks.sine import CHUNK
from src_core.preparation.alignment import align
from src_core.preparation.prepare import prepare
from src_core.request import Request
from src_core.space.points import brain_points
from src_core.space.regions import unmask
from src_core.training.changes.augment import augment
from src_core.training.changes.mirroring import mirror, mirrored_classes
from src_core.training.changes.settings import AugmentSettings
from src_core.training.changes.tissues import Tissues
from src_core.training.draws import draw_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from torch import Tensor

    from src_core.adaptation.corrected import Corrected
    from src_core.adaptation.settings import AdaptSettings
    from src_core.networks.base import CoordinateNetwork
    from src_core.preparation.prepare import Preparation
    from src_core.space.points import BrainPoints

POINTS = 30_000
"""Brain voxels of each example that the head learns from, drawn at random."""
_MIRRORED = 1
"""Number of the variant."""


@dataclass(frozen=True, eq=False)
class HeadExample:
    """What the head reads at some points of a fitted scan, and what these are.

    Attributes
    ----------
    variant : int
        0: the scan as it came, 1: mirrored, from 2 on: changed at random.
    protocol : str
        Name of that of the classes.
    inputs : Tensor, shape (N, width), float16
    classes : Tensor, shape (N,), uint8
        `IGNORED` takes no part.
    corrected : Tensor of bool, shape (N,)
        Where the labels are not what the model said, or were painted.
    all_right : bool
        All labels count as right; else only those that were corrected.
    """

    variant: int
    protocol: str
    inputs: Tensor
    classes: Tensor
    corrected: Tensor
    all_right: bool

    @property
    def learned(self) -> Tensor:
        """Classes that are learned, shape (N,); `IGNORED` elsewhere."""
        return self.classes if self.all_right else self.classes.where(self.corrected, IGNORED)

    def drawn(self, count: int, generator: torch.Generator) -> HeadExample:
        """Some random points of it."""
        which = draw_numbers(len(self.inputs), count, generator).to(self.inputs.device)
        return self._with(lambda values: values[which])

    def to(self, device: torch.device) -> HeadExample:
        """The same on another device."""
        return self._with(lambda values: values.to(device))

    def _with(self, change: Callable[[Tensor], Tensor]) -> HeadExample:
        inputs, classes, corrected = map(change, (self.inputs, self.classes, self.corrected))
        return replace(self, inputs=inputs, classes=classes, corrected=corrected)


def variants_of(corrected: Corrected, settings: AdaptSettings) -> list[int]:
    """Numbers of the variants that are made of a scan."""
    mirrors = mirrored_classes(corrected.model.protocol) is not None
    return [v for v in range(settings.variants) if mirrors or v != _MIRRORED]


def make_examples(
    corrected: Corrected, settings: AdaptSettings
) -> Generator[int, None, list[dict[str, Any]]]:
    """Fit a corrected scan in all its variants.

    Yields
    ------
    int
        Number of the variant whose fit has taken a step.

    Returns
    -------
    list of dict
        Fields of a `HeadExample` each.

    Raises
    ------
    InputError
        The scan can't be segmented.
    """
    files, model = corrected.scan.files, corrected.model
    # Whoever corrected the labels has looked at the scan: no fault of it keeps it out.
    prepared = prepare(
        Request(files.scan, model=model, mask=files.mask, device=settings.device, force=True)
    )
    fitted = yield from _fit(0, prepared.network, prepared.points, corrected, settings)
    codes = _codes(corrected, prepared, fitted)
    examples = [_example(0, fitted, prepared.points, codes[prepared.mask], corrected, settings)]
    for variant in variants_of(corrected, settings)[1:]:
        points, own = _changed(variant, prepared, codes, corrected, settings)
        network = model.network().to(prepared.device)
        fitted = yield from _fit(variant, network, points.to(prepared.device), corrected, settings)
        examples.append(_example(variant, fitted, points, own, corrected, settings))
    return examples


def _fit(
    variant: int,
    network: CoordinateNetwork,
    points: BrainPoints,
    corrected: Corrected,
    settings: AdaptSettings,
) -> Generator[int, None, CoordinateNetwork]:
    """Steps of a fit as at test time, and the fitted network."""
    for _ in Fit(network, points, corrected.model.fit.chosen(None, settings.seed)):
        yield variant
    return network


def _codes(corrected: Corrected, prepared: Preparation, fitted: CoordinateNetwork) -> np.ndarray:
    """Class of each voxel, (I, J, K) int16, with `CORRECTED` added where it was corrected."""
    classes = corrected.classes(prepared.scan)
    was_corrected = classes != unmask(decode_classes(fitted, prepared.points), prepared.mask)
    painted = corrected.painted(prepared.scan)
    if painted is not None:
        was_corrected |= painted
    codes: np.ndarray = classes + CORRECTED * was_corrected.astype(np.int16)
    return codes


def _changed(
    variant: int,
    prepared: Preparation,
    codes: np.ndarray,
    corrected: Corrected,
    settings: AdaptSettings,
) -> tuple[BrainPoints, np.ndarray]:
    """Brain points of a scan that is mirrored or changed at random, with their codes."""
    model, protocol = corrected.model, corrected.model.protocol
    random = np.random.default_rng((settings.seed, variant, *corrected.scan.name.encode()))
    scan, mask, alignment = prepared.scan, prepared.mask, prepared.alignment.matrix
    if mirrored_classes(protocol) is not None and (variant == _MIRRORED or random.random() < 0.5):
        scan, codes = mirror(scan), corrected.mirrored(codes)
        alignment = align(scan, mask, model.template()).matrix
    if variant > _MIRRORED:
        # What was corrected is the same tissue.
        tissues = Tissues.of(protocol, np.tile(np.arange(CORRECTED, dtype=np.uint8), 2))
        scan, mask, codes = augment(scan, mask, codes, tissues, random, AugmentSettings())
    return brain_points(scan, mask, alignment, model.rule), codes[mask]


def _example(
    variant: int,
    fitted: CoordinateNetwork,
    points: BrainPoints,
    codes: np.ndarray,
    corrected: Corrected,
    settings: AdaptSettings,
) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(settings.seed)
    which = torch.randperm(len(points), generator=generator)[:POINTS]
    told = codes[which.numpy()]
    # A head without layers gives what it reads.
    fitted.head.layers, fitted.head.sums = nn.Sequential(), None
    with torch.no_grad():
        read = [fitted.logits(points.take(part).to(fitted.device)) for part in which.split(CHUNK)]
    return {
        "variant": variant,
        "protocol": corrected.model.protocol.name,
        "inputs": torch.cat(read).half().cpu(),
        "classes": torch.from_numpy((told % CORRECTED).astype(np.uint8)),
        "corrected": torch.from_numpy(told >= CORRECTED),
        "all_right": corrected.scan.corrections is None,
    }
