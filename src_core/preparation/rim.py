"""Leave out the rim of fluid and air that a loose brain mask has around the brain.

The models learned from tightly stripped scans. With more fluid than those have, all quantiles of
the intensity rule slip, and the fit stretches the brain to fill the mask. A mask of any tightness
holds some dark voxels outside the aligned template's brain, because people differ from it; only
what goes beyond that usual share is left out, from the farthest on. So a tight mask stays as it is,
and what is left of a rim is as dark as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

from src_core.space.template import sample_grid

if TYPE_CHECKING:
    from torch import Tensor

    from src_core.io.scan import Scan
    from src_core.space.points import BrainPoints, Map
    from src_core.space.template import TemplateImage

DARK = 0.5
"""Of the median intensity of the brain: fluid and air of a T1-weighted scan are darker."""
USUAL_SHARE = 0.03
"""Dark voxels outside the template's brain per voxel inside it. The scans that the models learned
from have 0.004 to 0.017, heads with a tight mask up to 0.03, FreeSurfer's masks 0.05 to 0.07."""
OUTLINE = 0.25
"""Template intensity at the brain's outline."""
LARGEST_SHARE_OUTSIDE = 0.25
"""Of the mask; with more outside, the template does not fit and tells nothing."""

_PIECE = 2**16


def without_rim(
    scan: Scan,
    mask: np.ndarray,
    points: BrainPoints,
    template: TemplateImage,
    each: Map[np.ndarray] = map,
) -> np.ndarray:
    """The mask without what its dark rim holds beyond the usual.

    Parameters
    ----------
    scan : Scan
        T1-weighted: where fluid is bright, nothing is found.
    mask : ndarray of bool, shape (I, J, K)
        The brain.
    points : BrainPoints
        All of the mask.
    template : TemplateImage
    each : callable
        As `map`, by whom the pieces are done.

    Returns
    -------
    ndarray of bool, shape (I, J, K)
        The mask itself if nothing is left out, as in a single slice.
    """
    if scan.is_slice:
        return mask

    def is_outside(start: int) -> np.ndarray:
        positions = points.positions(slice(start, start + _PIECE))
        return (template.at(positions)[:, 0] < OUTLINE).numpy()

    outside = np.concatenate(list(each(is_outside, range(0, len(points), _PIECE))))
    if outside.mean() > LARGEST_SHARE_OUTSIDE:
        return mask
    values = scan.voxels[mask] / points.bias.at(points.indices.numpy())
    # A scan that was normalised has no zero of its own.
    zero = min(0.0, float(np.quantile(values, 0.02)))
    rim = np.flatnonzero(outside & (values < zero + DARK * (np.median(values) - zero)))
    surplus = len(rim) - int(USUAL_SHARE * np.count_nonzero(~outside))
    if surplus <= 0:
        return mask
    away = _distance(points.positions(torch.from_numpy(rim)), template)
    kept = np.ones(len(values), bool)
    kept[rim[np.argsort(-away, kind="stable")[:surplus]]] = False
    trimmed = np.zeros_like(mask)
    trimmed[mask] = kept
    return trimmed


def _distance(positions: Tensor, template: TemplateImage) -> np.ndarray:
    """How far template positions (N, 3) lie outside the brain, mm."""
    outside = template.values[0].numpy() < OUTLINE
    away = ndimage.distance_transform_edt(outside, sampling=template.spacing)
    places = (positions - positions.new_tensor(template.origin)) / template.spacing
    values = torch.from_numpy(away).float()[None]
    return sample_grid(values, places, padding="border")[:, 0].numpy()
