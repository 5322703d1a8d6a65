"""What is drawn over the iterations of a fit: how each curve is named, scaled and coloured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

_LEAST_CHANGE = 1e-4
"""Share of labels below which the curve of the change lies on the floor."""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else f"{100 * share:.2f} %"


@dataclass(frozen=True)
class Curve:
    """Something that is drawn as a curve.

    Attributes
    ----------
    name : str
    text : callable
        A value with its unit.
    axis : callable
        From values to positions on a linear axis.
    least_span : float
        Least length of the axis, so that noise is not blown up to the full height.
    on_dark, on_light : str or None
        Colour in dark and light themes, told apart by lightness as well; None is the text's.
    filled : bool
        Whether the area under the curve is tinted.
    """

    name: str
    text: Callable[[float], str]
    axis: Callable[[np.ndarray], np.ndarray]
    least_span: float
    on_dark: str | None = None
    on_light: str | None = None
    filled: bool = False


CURVES = (
    Curve("PSNR", "{:.1f} dB".format, np.asarray, 1.0, "#56b4e9", "#00609c"),
    Curve(
        "change",
        _percent,
        lambda change: np.log10(np.maximum(change, _LEAST_CHANGE)),
        1.0,
        "#e69f00",
        "#a84300",
        filled=True,
    ),
    Curve("Dice", "{:.3f}".format, np.asarray, 0.02),
)
