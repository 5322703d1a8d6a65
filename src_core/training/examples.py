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
from src_core.scan import read_scan
from src_core.template import TemplateImage
from src_core.training.augment import augment, mirror, mirrored_classes
from src_core.training.data import IGNORED, Subject, read_example

POINTS = 300_000
"""Brain voxels kept per example, drawn at random."""


@dataclass(frozen=True, eq=False)
class Example:
    """Points of one scan with their classes.

    Attributes
    ----------
    name : str
        Of the scan, with the number of the variant.
    split : str
    points : BrainPoints
    classes : Tensor, shape (N,), uint8
        Class index, `IGNORED` where it takes no part.
    volume : float
        Template mm3 each point stands for.
    """

    name: str
    split: str
    points: BrainPoints
    classes: Tensor
    volume: float


def mean_quantiles(subjects: list[Subject]) -> IntensityRule:
    """Intensity rule that sends each scan's quantiles to the mean of those of the group.

    Parameters
    ----------
    subjects : list of Subject
        Of the train split.
    """
    found = []
    for subject in subjects:
        scan = read_scan(subject.scan)
        levels = np.quantile(scan.voxels[brain_mask(scan)], LEVELS)
        found.append(0.95 * levels / levels[-1])
    return IntensityRule(tuple(np.mean(found, axis=0).round(4).tolist()))


def make_example(
    subject: Subject,
    variant: int,
    mapping: np.ndarray,
    protocol: Protocol,
    reference: TemplateImage,
    rule: IntensityRule,
    seed: int,
) -> Example:
    """See a scan in one of its variants.

    Parameters
    ----------
    subject : Subject
    variant : int
        0: as it is, 1: mirrored, from 2 on: changed at random (see `augment`), half of them
        mirrored, and misaligned a little.
    mapping : ndarray of uint8
        Class by label id.
    protocol : Protocol
    reference : TemplateImage
        What the scan is aligned to.
    rule : IntensityRule
    seed : int
        Of all that is random.
    """
    random = np.random.default_rng((seed, variant, *subject.name.encode()))
    scan, classes = read_example(subject, mapping)
    mask = brain_mask(scan)
    if variant == 1 or (variant > 1 and random.random() < 0.5):
        scan, classes = mirror(scan), _looked_up(mirrored_classes(protocol), classes)
    alignment = align(scan, mask, reference).matrix
    if variant > 1:
        # The alignment found before no longer fits: changed scans are misaligned a little.
        scan, mask, classes = augment(scan, mask, classes, protocol, random)
    points = brain_points(scan, mask, alignment, rule)
    chosen = random.choice(len(points), min(POINTS, len(points)), replace=False)
    which = torch.from_numpy(chosen)
    volume = abs(np.linalg.det((alignment @ scan.affine)[:3, :3])) * len(points) / len(which)
    return Example(
        f"{subject.name}-{variant}",
        subject.split,
        replace(points, indices=points.indices[which], seen=points.seen[which]),
        torch.from_numpy(classes[mask])[which],
        float(volume),
    )


def _looked_up(table: np.ndarray, classes: np.ndarray) -> np.ndarray:
    full = np.full(256, IGNORED, np.uint8)
    full[: len(table)] = table
    return full[classes]
