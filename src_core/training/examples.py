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
from src_core.scan import read_on_grid, read_scan
from src_core.template import TemplateImage
from src_core.training.augment import Tissues, augment, mirror, mirrored_classes
from src_core.training.data import IGNORED, LabelledScan, read_mask
from src_core.training.settings import ExampleSettings


@dataclass(frozen=True, eq=False)
class Example:
    """Points of one scan with their labels.

    Attributes
    ----------
    name : str
        Of the scan, with the number of the variant.
    split : str
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
    points: BrainPoints
    labels: Tensor
    mirrored: bool
    volume: float

    @property
    def unchanged(self) -> bool:
        """The scan is as it came, or mirrored."""
        return self.name.endswith(("-0", "-1"))

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


def mean_quantiles(subjects: list[LabelledScan]) -> IntensityRule:
    """Intensity rule that sends each scan's quantiles to the mean of those of the group.

    Parameters
    ----------
    subjects : list of LabelledScan
        Of the train split.
    """
    found = []
    for subject in subjects:
        scan = read_scan(subject.scan)
        levels = np.quantile(scan.voxels[brain_mask(scan, read_mask(subject, scan))], LEVELS)
        found.append(0.95 * levels / levels[-1])
    return IntensityRule(tuple(np.mean(found, axis=0).round(4).tolist()))


def make_example(
    subject: LabelledScan,
    variant: int,
    reference: TemplateImage,
    rule: IntensityRule,
    tissues: Tissues,
    settings: ExampleSettings,
    seed: int,
) -> Example:
    """See a scan in one of its variants.

    Parameters
    ----------
    subject : LabelledScan
    variant : int
        0: as it is, 1: mirrored, from 2 on: changed at random (see `augment`), half of them
        mirrored.
    reference : TemplateImage
        What the scan is aligned to.
    rule : IntensityRule
    tissues : Tissues
        What the labels are.
    settings : ExampleSettings
    seed : int
        Of all that is random.
    """
    random = np.random.default_rng((seed, variant, *subject.name.encode()))
    scan = read_scan(subject.scan)
    labels = read_on_grid(subject.labels, scan, "reference").astype(np.int16)
    mask = brain_mask(scan, read_mask(subject, scan))
    mirrored = variant == 1 or (variant > 1 and random.random() < 0.5)
    if mirrored:
        scan = mirror(scan)
    alignment = align(scan, mask, reference).matrix
    if variant > 1:
        scan, mask, labels = augment(scan, mask, labels, tissues, random, settings.augment)
    points = brain_points(scan, mask, alignment, rule)
    chosen = random.choice(len(points), min(settings.points, len(points)), replace=False)
    which = torch.from_numpy(chosen)
    volume = abs(np.linalg.det((alignment @ scan.affine)[:3, :3])) * len(points) / len(which)
    return Example(
        f"{subject.name}-{variant}",
        subject.split,
        replace(points, indices=points.indices[which], seen=points.seen[which]),
        torch.from_numpy(labels[mask])[which],
        mirrored,
        float(volume),
    )
