"""Training examples: scans, plain and changed, as points with classes."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from src_core.alignment import align
from src_core.brain import brain_mask
from src_core.intensity import LEVELS, IntensityRule
from src_core.labels import Protocol
from src_core.points import BrainPoints, brain_points
from src_core.scan import Scan, read_on_grid, read_scan
from src_core.template import TemplateImage
from src_core.training.augment import Tissues, augment, mirror, mirrored_classes
from src_core.training.data import IGNORED, LabelledScan, read_mask
from src_core.training.settings import ExampleSettings, SliceSettings
from src_core.training.slices import coronal_axis, cut_slice, slice_planes


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
    """

    name: str
    split: str
    variant: int
    points: BrainPoints
    labels: Tensor
    mirrored: bool
    volume: float

    def classes(self, mapping: np.ndarray, protocol: Protocol) -> Tensor:
        """Class of each point, shape (N,), uint8, `IGNORED` where it takes no part.

        Parameters
        ----------
        mapping : ndarray of uint8
            Class by label id.
        protocol : Protocol
        """
        classes = mapping[self.labels.numpy()]
        if self.mirrored:
            swapped = np.full(256, IGNORED, np.uint8)
            swapped[: len(protocol.ids)] = mirrored_classes(protocol)
            classes = swapped[classes]
        return torch.from_numpy(classes)


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
        values = np.zeros(scan.shape, np.float32)
        values[mask] = rule.fit(scan.voxels[mask]).normalise(scan.voxels[mask])
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
    """

    reference: TemplateImage
    slice_reference: TemplateImage
    rule: IntensityRule
    tissues: Tissues
    settings: ExampleSettings
    seed: int

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
        mirrored = variant == 1 or (variant > 1 and random.random() < 0.5)
        if mirrored:
            scan = mirror(scan)
        alignment = align(scan, mask, self.reference).matrix
        planes = self._planes(scan, alignment, random)
        if variant > 1:
            changes = self.settings.augment
            scan, mask, labels = augment(scan, mask, labels, self.tissues, random, changes)
        if self.settings.slices is None:
            pieces = [("", scan, mask, labels, alignment)]
        else:
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
                    f"{labelled.name}-{variant}{suffix}",
                    labelled.split,
                    variant,
                    replace(points, indices=points.indices[which], seen=points.seen[which]),
                    torch.from_numpy(labels[mask])[which],
                    mirrored,
                    float(size) * len(points) / count,
                )
            )
        return examples

    def _planes(self, scan: Scan, alignment: np.ndarray, random: np.random.Generator) -> list[int]:
        """Which slices are cut out of a volume."""
        slices = self.settings.slices
        if slices is None:
            return []
        planes = slice_planes(scan, alignment, *slices.where.range, step=1.0)
        return sorted(random.choice(planes, min(slices.count, len(planes)), replace=False).tolist())
