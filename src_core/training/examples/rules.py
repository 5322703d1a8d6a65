"""Intensity rules that are measured on the training scans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from src_core.datasets.labelled import LabelledScan, read_mask
from src_core.io.scan import read_scan
from src_core.preparation.alignment import align
from src_core.preparation.brain import brain_mask
from src_core.space.intensity import LEVELS, IntensityRule
from src_core.space.regions import unmask
from src_core.training.changes.cut_slices import coronal_axis, slice_planes

if TYPE_CHECKING:
    from src_core.space.template import TemplateImage
    from src_core.training.changes.settings import SliceSettings


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
