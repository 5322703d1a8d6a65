"""Which contrast a scan has: how bright its tissues are, told by where the template shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from src_core.preparation.findings import Finding

if TYPE_CHECKING:
    from src_core.io.scan import Scan
    from src_core.space.points import BrainPoints
    from src_core.space.template import TemplateImage

VOXELS = 60_000
"""Drawn at random to measure the contrast."""
# Ranges of the aligned template's intensities where there is mostly one tissue.
WHITE = (0.75, 0.85)
GREY = (0.5, 0.62)
FLUID = (0.1, 0.32)
LEAST_SHARES = (0.1, 0.15, 0.005)
"""Of the voxels in each range, without which nothing can be measured: a slab, or a model that knows
no tissues. In whole brains they are above 0.13, 0.25 and 0.03."""
# T1-weighted scans of a dozen sources have steps of 0.2 to 0.31 and of 0.11 to 0.21; noise 0.01.
LEAST_T1 = (0.1, 0.05)
"""Of white minus grey and grey minus fluid in a T1-weighted scan."""
MOST_T1GD = 0.34
"""Of white minus fluid in a T1-weighted scan with contrast agent; others have 0.38 or more."""
LEAST_FLAIR = 0.1
"""Of grey minus fluid in a FLAIR, where white and grey matter are nearly alike."""
MOST_T2 = (-0.05, -0.02)
"""Of white minus grey and grey minus fluid in a T2-weighted scan."""
HOUNSFIELD = (15.0, 50.0)
"""Where the median of a brain lies in a CT."""
HOUNSFIELD_SPREAD = 30.0
"""Largest distance of the quartiles there."""
HOUNSFIELD_ZEROS = (0.0, 1000.0, 1024.0)
"""What water has in a CT, by how the values are stored."""


@dataclass(frozen=True)
class Contrast:
    """What a scan's tissues look like beside each other.

    Attributes
    ----------
    name : {"T1", "T1Gd", "T2", "FLAIR", "unknown", "not measured"}
        The contrast that it is most like.
    white_minus_grey : float
        Step of the normalised intensities between the tissues; nan if it can't be measured.
    grey_minus_fluid : float
        The same.
    doubt : str
        Why it is unknown; else empty.
    """

    name: str
    white_minus_grey: float = np.nan
    grey_minus_fluid: float = np.nan
    doubt: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether the scan is seen in its own intensities alone."""
        return self.name != "T1Gd" and not self.is_mapped

    @property
    def is_mapped(self) -> bool:
        """Whether the intensities must first be turned into those of a T1."""
        return self.name in ("T2", "FLAIR")

    def to_json(self) -> dict[str, Any]:
        """The contrast as plain values that JSON can hold."""
        steps = {
            "white_minus_grey": self.white_minus_grey,
            "grey_minus_fluid": self.grey_minus_fluid,
        }
        rounded = {n: None if np.isnan(v) else round(float(v), 3) for n, v in steps.items()}
        return {"name": self.name, **rounded}


def measure_contrast(scan: Scan, points: BrainPoints, template: TemplateImage) -> Contrast:
    """Name the contrast of a scan.

    Parameters
    ----------
    scan : Scan
    points : BrainPoints
        As seen with the scan's own contrast, on the CPU.
    template : TemplateImage
        First channel: intensities like those of T1-weighted scans.

    Returns
    -------
    Contrast
    """
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(points), (VOXELS,), generator=generator)
    seen = points.take(drawn)
    values, shown = seen.seen[:, 0].numpy(), template.at(seen.positions)[:, 0].numpy()
    tissues = [values[(shown > low) & (shown < high)] for low, high in (WHITE, GREY, FLUID)]
    if any(len(one) < least * VOXELS for one, least in zip(tissues, LEAST_SHARES, strict=True)):
        return Contrast("not measured")
    white, grey, fluid = map(np.median, tissues)
    steps = float(white - grey), float(grey - fluid)
    name = _name(*steps)
    own = scan.voxels[tuple(points.indices[drawn].numpy().T)]
    if name == "FLAIR" and _in_hounsfield_units(own):
        doubt = "the scan looks like a CT in Hounsfield units; give an MR scan"
        return Contrast("unknown", *steps, doubt)
    if name == "unknown":
        doubt = (
            "the tissues of the scan are as bright as in no T1, T2 or FLAIR (white minus grey"
            f" matter {steps[0]:.2f}, grey matter minus fluid {steps[1]:.2f} of its range); give a"
            " T1-weighted scan, or a mask with less fluid around the brain"
        )
        return Contrast(name, *steps, doubt)
    return Contrast(name, *steps)


def check_contrast(contrast: Contrast) -> Finding:
    """What is wrong with the contrast of a scan: any but that of a plain T1 is told."""
    message = contrast.doubt
    if contrast.name == "T1Gd":
        message = (
            "the scan looks T1-weighted with contrast agent, or its mask holds much fluid: where"
            " the template shows which tissue helps to tell them apart; check mask and labels"
        )
    if contrast.is_mapped:
        message = (
            f"the scan looks like {contrast.name}, not T1-weighted: a mixture of tissues turned its"
            " intensities into those of a T1; check the labels"
        )
    return Finding(
        "contrast",
        contrast.white_minus_grey,
        (LEAST_T1[0], None),
        message,
        grave=bool(contrast.doubt),
    )


def _name(white_minus_grey: float, grey_minus_fluid: float) -> str:
    if white_minus_grey > LEAST_T1[0]:
        if grey_minus_fluid <= LEAST_T1[1]:
            return "unknown"
        return "T1Gd" if white_minus_grey + grey_minus_fluid < MOST_T1GD else "T1"
    if grey_minus_fluid > LEAST_FLAIR:
        return "FLAIR"
    t2 = white_minus_grey < MOST_T2[0] and grey_minus_fluid < MOST_T2[1]
    return "T2" if t2 else "unknown"


def _in_hounsfield_units(values: np.ndarray) -> bool:
    first, median, third = np.percentile(values, (25, 50, 75))
    low, high = HOUNSFIELD
    return bool(
        third - first < HOUNSFIELD_SPREAD
        and any(low < median - zero < high for zero in HOUNSFIELD_ZEROS)
    )
