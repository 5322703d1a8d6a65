"""Training examples: scans, plain and changed, as points with classes."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from src_core.datasets.labelled import LabelledScan, read_mask
from src_core.datasets.mapping import IGNORED
from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.io.export import image_stem
from src_core.io.labels import Protocol, protocol
from src_core.io.sample import mni152_t1
from src_core.io.scan import Scan, read_label_map, read_on_grid, read_scan
from src_core.preparation.alignment import SEARCH_SPACING, align
from src_core.preparation.brain import brain_mask
from src_core.space.intensity import LEVELS, IntensityRule
from src_core.space.points import BrainPoints, brain_points
from src_core.space.regions import unmask
from src_core.space.template import TemplateImage
from src_core.training.changes.augment import augment
from src_core.training.changes.cut_slices import coronal_axis, cut_slice, slice_planes
from src_core.training.changes.freesurfer import freesurfer_classes
from src_core.training.changes.mirroring import mirror, mirrored_classes
from src_core.training.changes.settings import AugmentSettings, SliceSettings
from src_core.training.changes.synthesis import synthesise
from src_core.training.changes.tissues import Tissues
from src_core.training.config import to_json
from src_core.training.settings import ExampleSettings


@dataclass(frozen=True, eq=False)
class Example:
    """Points of one scan with their labels.

    Attributes
    ----------
    name : str
        Of the scan, with the number of the variant and that of the slice.
    split : str
    variant : int
        0: as it came, 1: mirrored, from 2 on: changed at random.
    points : BrainPoints
    labels : Tensor, shape (N,), int16
        Ids of the scan's label map.
    mirrored : bool
        Left and right have changed places since the labels were given.
    volume : float
        Template mm3 each point stands for.
    synthetic : bool
        Made from a label map alone; the labels are FreeSurfer's, see `freesurfer_classes`.
    """

    name: str
    split: str
    variant: int
    points: BrainPoints
    labels: Tensor
    mirrored: bool
    volume: float
    synthetic: bool = False

    def classes(self, mapping: np.ndarray, target: Protocol) -> Tensor:
        """Class of each point, shape (N,), uint8, `IGNORED` where it takes no part.

        Parameters
        ----------
        mapping : ndarray of uint8
            Class by label id of the scans.
        target : Protocol

        Raises
        ------
        InputError
            The example is synthetic and the protocol knows none of FreeSurfer's structures.
        """
        if self.synthetic:
            mapping = freesurfer_classes(target)
        classes = mapping[self.labels.numpy()]
        if self.mirrored:
            partners = mirrored_classes(target)
            assert partners is not None, "made with Maker.mirrors"
            swapped = np.full(256, IGNORED, np.uint8)
            swapped[: len(partners)] = partners
            classes = swapped[classes]
        return torch.from_numpy(classes)


@dataclass(frozen=True)
class _Kind:
    """What all examples of one variant of a scan have in common; see `Example`."""

    name: str
    split: str
    variant: int
    mirrored: bool
    synthetic: bool = False


def examples_depend_on(
    data: DataSettings,
    scans: Iterable[LabelledScan],
    settings: ExampleSettings,
    tissues: Protocol,
    mirrors: bool,
    picture: TemplateImage | None,
    seed: int,
) -> dict[str, Any]:
    """What decides the examples in a folder, besides the intensity rule; for `claim`.

    Parameters
    ----------
    data : DataSettings
    scans : iterable of LabelledScan
        Of the train and val splits.
    settings : ExampleSettings
    tissues : Protocol
        Whose names tell what ages.
    mirrors : bool
        As in `Maker`.
    picture : TemplateImage or None
        What single slices are put in; None: volumes are seen whole.
    seed : int
    """
    shown = None if picture is None else picture.values.numpy().tobytes()
    return {
        # What label ids mean is asked when examples are used.
        "data": to_json(replace(data, mapping=None, mapping_column=None)),
        "scans": {scan.name: [scan.split, scan.fingerprint] for scan in scans},
        "examples": to_json(replace(settings, tissues="")),
        "tissues": tissues.to_json(),
        "mirrors": mirrors,
        "template": shown and hashlib.sha256(shown).hexdigest(),
        "seed": seed,
    }


def mni152_reference() -> TemplateImage:
    """The MNI152 picture that fixes template space, ready for `align`."""
    scan = mni152_t1()
    bright = np.quantile(scan.voxels[scan.voxels > 0], 0.99)
    values = np.where(scan.voxels > 0, np.clip(scan.voxels / bright, 0, 1) + 0.1, 0)
    image = TemplateImage(
        torch.from_numpy(values.astype(np.float32))[None], tuple(scan.affine[:3, 3].tolist()), 1.0
    )
    while image.spacing < SEARCH_SPACING:
        image = image.coarser()
    return image


def volume_rule(scans: list[LabelledScan]) -> IntensityRule:
    """Intensity rule that sends each scan's quantiles to the mean of those of the group.

    Parameters
    ----------
    scans : list of LabelledScan
        Of the train split.
    """
    found = []
    for labelled in scans:
        scan = read_scan(labelled.scan)
        levels = np.quantile(scan.voxels[brain_mask(scan, read_mask(labelled, scan))], LEVELS)
        levels -= min(levels[0], 0)  # of z-scores, say, half would be cut off
        found.append(0.95 * levels / levels[-1])
    return IntensityRule(tuple(np.mean(found, axis=0).round(4).tolist()))


def slice_rule(
    scans: list[LabelledScan],
    rule: IntensityRule,
    reference: TemplateImage,
    slices: SliceSettings,
) -> IntensityRule:
    """Intensity rule that sends single slices to where the rule for volumes sends their voxels.

    Parameters
    ----------
    scans : list of LabelledScan
        Of the train split.
    rule : IntensityRule
        For volumes.
    reference : TemplateImage
        What scans are aligned to.
    slices : SliceSettings
    """
    found = []
    for labelled in scans:
        scan = read_scan(labelled.scan)
        mask = brain_mask(scan, read_mask(labelled, scan))
        values = unmask(rule.fit(scan.voxels[mask]).normalise(scan.voxels[mask]), mask)
        alignment = align(scan, mask, reference).matrix
        axis = coronal_axis(scan, alignment)
        for index in slice_planes(scan, alignment, *slices.where.range, step=4.0):
            shown = np.take(values, index, axis)[np.take(mask, index, axis)]
            found.append(np.quantile(shown, LEVELS))
    return IntensityRule(tuple(np.mean(found, axis=0).round(4).tolist()))


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
        scan, mask, labels = synthesise(label_map.voxels, label_map.affine, random)
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
        kind: "_Kind",
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
