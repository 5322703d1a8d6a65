"""Pictures of the template that training begins with, when no model has one yet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from src_core.io.sample import mni152_t1
from src_core.preparation.alignment import SEARCH_SPACING
from src_core.space.regions import unmask
from src_core.space.template import TemplateImage

if TYPE_CHECKING:
    from src_core.space.intensity import IntensityRule


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


def normalised(picture: TemplateImage, rule: IntensityRule) -> TemplateImage:
    """The same picture with intensities as the rule gives them to scans; 0 is outside the brain."""
    shown = picture.values.numpy()
    brain = shown > 0
    values = unmask(rule.fit(shown[brain]).normalise(shown[brain]), brain)
    return replace(picture, values=torch.from_numpy(values))
