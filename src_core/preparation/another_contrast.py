"""A scan of another contrast is placed and seen as if it were T1-weighted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from src_core.preparation.alignment import Alignment, align
from src_core.preparation.contrast import Contrast, measure_contrast
from src_core.preparation.tissue_mixture import VOXELS, TissueMixture, find_tissue_mixture
from src_core.space.intensity import scale_by_means
from src_core.space.points import see_normalised
from src_core.space.regions import unmask

if TYPE_CHECKING:
    from src_core.io.scan import Scan
    from src_core.models.model import Model
    from src_core.space.points import BrainPoints
    from src_core.space.slices import SliceRange
    from src_core.space.template import TemplateImage

MISLED = 0.93
"""Similarity of an alignment below which only the brain's outline is trusted. T1-weighted scans of
a dozen sources reach 0.947 or more."""


def face_contrast(
    scan: Scan,
    mask: np.ndarray,
    model: Model,
    template: TemplateImage,
    alignment: Alignment,
    points: BrainPoints,
) -> tuple[Contrast, Alignment, BrainPoints]:
    """Tell a scan's contrast, and turn one that is mapped into that of the template.

    Bright fluid misleads the alignment, so that it is found again: by the brain's outline if it is
    far off, then with the intensities turned around by a curve. Only then the template may say what
    is likely where; before, that would hold the scan where it lies.

    Parameters
    ----------
    scan : Scan
    mask : ndarray of bool, shape (I, J, K)
        The brain.
    model : Model
    template : TemplateImage
        The model's.
    alignment : Alignment
        Found with the intensities as they are; one that was given stays.
    points : BrainPoints
        Seen from there, on the CPU.

    Returns
    -------
    contrast : Contrast
    alignment : Alignment
    points : BrainPoints
        As given, unless the contrast is mapped.
    """
    contrast = measure_contrast(scan, points, template)
    if contrast.name in ("T1", "not measured"):
        return contrast, alignment, points
    if contrast.name == "T1Gd":
        return contrast, alignment, _helped(scan, mask, template, alignment, points)
    found, moved = alignment, points
    if alignment.similarity < MISLED:
        found = _align_outline(scan, mask, template, model.slices)
        moved = _moved(points, found, scan)
        contrast = measure_contrast(scan, moved, template)
    if not contrast.is_mapped:
        return contrast, alignment, points
    values = points.seen[:, 0].float().numpy()
    if alignment.method == "estimated":
        curve = _mixture(values, _shown(moved, template)).by_intensity(values)
        turned = replace(scan, voxels=unmask(curve, mask))
        found = align(turned, mask, template, model.slices)
        # Where a curve can't tell fluid from white matter, the scan itself is more like it.
        found = replace(found, similarity=max(found.similarity, alignment.similarity))
        moved = _moved(points, found, scan)
    shown = _shown(moved, template)
    mapped = _mixture(values, shown).template_like(values, shown)
    normalised = model.rule.fit(mapped).normalise(mapped)
    scale = scale_by_means(normalised, points.scale.restore(values))
    sight = see_normalised(scan, mask, normalised, scale, points.bias)
    return contrast, found, sight.points(found.matrix @ scan.affine)


def _align_outline(
    scan: Scan, mask: np.ndarray, template: TemplateImage, slices: SliceRange | None
) -> Alignment:
    outline = replace(template, values=(template.values > 0).float())
    return align(replace(scan, voxels=mask.astype(np.float32)), mask, outline, slices)


def _helped(
    scan: Scan,
    mask: np.ndarray,
    template: TemplateImage,
    alignment: Alignment,
    points: BrainPoints,
) -> BrainPoints:
    """The points as seen half in the scan's intensities, half in those that its mixture expects."""
    values, shown = points.seen[:, 0].float().numpy(), _shown(points, template)
    expected = _mixture(values, shown).template_like(values, shown)
    sight = see_normalised(scan, mask, (values + expected) / 2, points.scale, points.bias)
    return sight.points(alignment.matrix @ scan.affine)


def _moved(points: BrainPoints, alignment: Alignment, scan: Scan) -> BrainPoints:
    """The same intensities at another place; what is around the points does not turn with them."""
    to_template = torch.from_numpy(alignment.matrix @ scan.affine).float()
    return replace(points, to_template=to_template)


def _shown(points: BrainPoints, template: TemplateImage) -> np.ndarray:
    """What the template shows at all points."""
    return template.at(points.positions())[:, 0].numpy()


def _mixture(values: np.ndarray, shown: np.ndarray) -> TissueMixture:
    drawn = np.random.default_rng(0).integers(len(values), size=VOXELS)
    return find_tissue_mixture(values[drawn], shown[drawn])
