"""What the head learns from: scans, fitted as at test time, as they came and changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

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

    from src_core.adaptation.settings import AdaptSettings
    from src_core.io.scan import Scan
    from src_core.models.model import Model
    from src_core.networks.base import CoordinateNetwork
    from src_core.preparation.prepare import Preparation
    from src_core.request import Request
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
        """Some random points of it; of few that were corrected as many as of the others."""
        which = draw_numbers(len(self.inputs), count, generator).to(self.inputs.device)
        few = torch.nonzero(self.corrected)[:, 0]
        if not self.all_right and len(few):
            which[: count // 2] = few[draw_numbers(len(few), count // 2, generator).to(few.device)]
        return self._with(lambda values: values[which])

    def to(self, device: torch.device) -> HeadExample:
        """The same on another device."""
        return self._with(lambda values: values.to(device))

    def _with(self, change: Callable[[Tensor], Tensor]) -> HeadExample:
        inputs, classes, corrected = map(change, (self.inputs, self.classes, self.corrected))
        return replace(self, inputs=inputs, classes=classes, corrected=corrected)


class Source(Protocol):
    """A scan that examples are made of: corrected, or a stand-in."""

    @property
    def name(self) -> str:
        """Name of the scan."""

    @property
    def model(self) -> Model:
        """The model, its labels told as those of the scan."""

    @property
    def all_right(self) -> bool:
        """Whether all labels count as right; else only those that were corrected."""

    @property
    def least_variants(self) -> int:
        """Number of variants that it is worth at least."""

    def request(self, device: str) -> Request:
        """How the scan is fitted."""

    def codes(self, image: Scan, own: np.ndarray) -> np.ndarray:
        """Class of each voxel, with `CORRECTED` added where it was corrected, by what it was."""

    def mirrored(self, codes: np.ndarray) -> np.ndarray:
        """The same codes in the mirrored person."""


def variants_of(source: Source, settings: AdaptSettings) -> list[int]:
    """Numbers of the variants that are made of a scan."""
    mirrors = mirrored_classes(source.model.protocol) is not None
    count = max(settings.variants, source.least_variants)
    return [variant for variant in range(count) if mirrors or variant != _MIRRORED]


def make_examples(
    source: Source, settings: AdaptSettings
) -> Generator[int, None, list[dict[str, Any]]]:
    """Fit a scan in all its variants.

    Yields
    ------
    int
        Number of fits that are done, at each step of the next one.

    Returns
    -------
    list of dict
        Fields of a `HeadExample` each.

    Raises
    ------
    InputError
        The scan can't be segmented.
    """
    prepared = prepare(source.request(settings.device))
    network, points, codes = prepared.network, prepared.points, np.zeros(0)
    examples: list[dict[str, Any]] = []
    for variant in variants_of(source, settings):
        if variant > 0:
            points, told = _changed(variant, prepared, codes, source, settings)
            network, points = source.model.network().to(prepared.device), points.to(prepared.device)
        for _ in Fit(network, points, source.model.fit.chosen(None, settings.seed)):
            yield len(examples)
        if variant == 0:
            own = unmask(decode_classes(network, points), prepared.mask)
            codes = source.codes(prepared.scan, own)
            told = codes[prepared.mask]
        examples.append(_example(variant, network, points, told, source, settings))
    return examples


def _changed(
    variant: int,
    prepared: Preparation,
    codes: np.ndarray,
    source: Source,
    settings: AdaptSettings,
) -> tuple[BrainPoints, np.ndarray]:
    """Brain points of a scan that is mirrored or changed at random, with their codes."""
    model, protocol = source.model, source.model.protocol
    random = np.random.default_rng((settings.seed, variant, *source.name.encode()))
    scan, mask, alignment = prepared.scan, prepared.mask, prepared.alignment.matrix
    if not prepared.contrast.is_plain:
        # In its own intensities it would be aligned and read as the T1 that it is not.
        seen = prepared.points.seen[:, 0].float().cpu().numpy()
        scan = replace(scan, voxels=unmask(seen, mask))
    if mirrored_classes(protocol) is not None and (variant == _MIRRORED or random.random() < 0.5):
        scan, codes = mirror(scan), source.mirrored(codes)
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
    source: Source,
    settings: AdaptSettings,
) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(settings.seed)
    which = torch.randperm(len(points), generator=generator)
    if not source.all_right:
        # Few were corrected: none of them is left out.
        few = torch.from_numpy(codes >= CORRECTED)[which]
        which = torch.cat([which[few][: POINTS // 2], which[~few]])
    which = which[:POINTS]
    told = codes[which.numpy()]
    # A head without layers gives what it reads.
    fitted.head.layers, fitted.head.sums = nn.Sequential(), None
    with torch.no_grad():
        read = [fitted.logits(points.take(part.to(fitted.device))) for part in which.split(CHUNK)]
    return {
        "variant": variant,
        "protocol": source.model.protocol.name,
        "inputs": torch.cat(read).half().cpu(),
        "classes": torch.from_numpy((told % CORRECTED).astype(np.uint8)),
        "corrected": torch.from_numpy(told >= CORRECTED),
        "all_right": source.all_right,
    }
