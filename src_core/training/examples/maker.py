"""Scans, plain and changed, turned into examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from src_core.datasets.labelled import LabelledScan, read_mask
from src_core.errors import InputError
from src_core.io.export import image_stem
from src_core.io.protocols import protocol
from src_core.io.scan import Scan, read_label_map, read_on_grid, read_scan
from src_core.preparation.alignment import align
from src_core.preparation.brain import brain_mask
from src_core.space.points import brain_points
from src_core.training.changes.augment import augment
from src_core.training.changes.cut_slices import coronal_axis, cut_slice, slice_planes
from src_core.training.changes.freesurfer import freesurfer_classes
from src_core.training.changes.mirroring import mirror
from src_core.training.changes.synthesis import synthesise
from src_core.training.changes.tissues import Tissues
from src_core.training.examples.example import Example

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.space.intensity import IntensityRule
    from src_core.space.template import TemplateImage
    from src_core.training.changes.settings import AugmentSettings
    from src_core.training.settings import ExampleSettings


@dataclass(frozen=True)
class _Kind:
    """What all examples of one variant of a scan have in common; see `Example`."""

    name: str
    split: str
    variant: int
    mirrored: bool
    synthetic: bool = False


@dataclass(frozen=True, eq=False)
class Maker:
    """Makes examples of labelled scans.

    Attributes
    ----------
    reference : TemplateImage
        What volumes are aligned to.
    slice_reference : TemplateImage
        What single slices are aligned to.
    rule : IntensityRule
    tissues : Tissues
        What the labels are.
    settings : ExampleSettings
    seed : int
        Of all that is random.
    mirrors : bool
        Scans may be mirrored: each structure of one side has its partner on the other.
    """

    reference: TemplateImage
    slice_reference: TemplateImage
    rule: IntensityRule
    tissues: Tissues
    settings: ExampleSettings
    seed: int
    mirrors: bool

    def variants(self, count: int) -> list[int]:
        """Those among the first so many that can be made of a scan."""
        return [variant for variant in range(count) if self.mirrors or variant != 1]

    def make(self, labelled: LabelledScan, variant: int) -> list[Example]:
        """See a scan in one of its variants.

        Parameters
        ----------
        labelled : LabelledScan
        variant : int
            0: as it is, 1: mirrored, from 2 on: changed at random (see `augment`), half of them
            mirrored.

        Returns
        -------
        list of Example
            One of the volume, or of each slice that was cut out of it.
        """
        random = np.random.default_rng((self.seed, variant, *labelled.name.encode()))
        scan = read_scan(labelled.scan)
        labels = read_on_grid(labelled.labels, scan, "reference").astype(np.int16)
        mask = brain_mask(scan, read_mask(labelled, scan))
        mirrored = variant == 1 or (variant > 1 and random.random() < 0.5 and self.mirrors)
        if mirrored:
            scan = mirror(scan)
        kind = _Kind(labelled.name, labelled.split, variant, mirrored)
        changes = self.settings.augment if variant > 1 else None
        return self._examples(kind, scan, mask, labels, self.tissues, changes, random)

    def synthesise(self, path: Path, variant: int) -> list[Example]:
        """Make up a scan for a label map of a whole head, with FreeSurfer's ids.

        Parameters
        ----------
        path : Path
            The label map.
        variant : int
            From 2 on, as for scans that are changed at random.

        Returns
        -------
        list of Example

        Raises
        ------
        InputError
            It is no such label map.
        """
        name = image_stem(path)
        random = np.random.default_rng((self.seed, variant, *name.encode()))
        label_map = read_label_map(path)
        if label_map is None:
            raise InputError(f"{path} does not hold whole numbers; give a label map")
        try:
            scan, mask, labels = synthesise(label_map.voxels, label_map.affine, random)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        mirrored = random.random() < 0.5 and self.mirrors
        if mirrored:
            scan = mirror(scan)
        # Intensities, mask and age are made up already.
        changes = replace(self.settings.augment, bias=0.0, noise=0.0, mask=0.0, ageing=0.0)
        known = protocol("fs32")
        tissues = Tissues.of(known, freesurfer_classes(known))
        kind = _Kind(name, "train", variant, mirrored, synthetic=True)
        return self._examples(kind, scan, mask, labels, tissues, changes, random)

    def _planes(self, scan: Scan, alignment: np.ndarray, random: np.random.Generator) -> list[int]:
        """Which slices are cut out of a volume."""
        slices = self.settings.slices
        if slices is None:
            return []
        planes = slice_planes(scan, alignment, *slices.where.range, step=1.0)
        return sorted(random.choice(planes, min(slices.count, len(planes)), replace=False).tolist())

    def _examples(
        self,
        kind: _Kind,
        scan: Scan,
        mask: np.ndarray,
        labels: np.ndarray,
        tissues: Tissues,
        changes: AugmentSettings | None,
        random: np.random.Generator,
    ) -> list[Example]:
        """The volume, changed at random, as one example, or each of its slices."""
        alignment = align(scan, mask, self.reference).matrix
        planes = self._planes(scan, alignment, random)
        if changes is not None:
            scan, mask, labels = augment(scan, mask, labels, tissues, random, changes)
        pieces = [("", scan, mask, labels, alignment)]
        if self.settings.slices is not None:
            axis = coronal_axis(scan, alignment)
            pieces = []
            for plane in planes:
                cut, inside, ids = cut_slice(scan, mask, labels, axis, plane)
                where = self.settings.slices.where
                found = align(cut, inside, self.slice_reference, where).matrix
                pieces.append((f"-{plane}", cut, inside, ids, found))
        examples = []
        for suffix, scan, mask, labels, alignment in pieces:
            points = brain_points(scan, mask, alignment, self.rule)
            count = min(self.settings.points, len(points))
            which = torch.from_numpy(random.choice(len(points), count, replace=False))
            size = abs(np.linalg.det((alignment @ scan.affine)[:3, :3]))
            examples.append(
                Example(
                    f"{kind.name}-{kind.variant}{suffix}",
                    kind.split,
                    kind.variant,
                    replace(points, indices=points.indices[which], seen=points.seen[which]),
                    torch.from_numpy(labels[mask])[which],
                    kind.mirrored,
                    float(size) * len(points) / count,
                    kind.synthetic,
                )
            )
        return examples
