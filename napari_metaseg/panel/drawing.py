"""Pieces of painting that several widgets share."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF
from qtpy.QtGui import QColor, QPolygonF

MARK = 7
"""Width of the mark of the suggested iteration, px."""


def suggestion_mark(tip: QPointF) -> QPolygonF:
    """The triangle that marks the suggested iteration, pointing down at `tip`."""
    left, right = QPointF(-MARK / 2, -MARK + 1), QPointF(MARK / 2, -MARK + 1)
    return QPolygonF([tip, tip + left, tip + right])


def faded(color: QColor, opacity: float) -> QColor:
    """The colour, drawn with some opacity from 0 to 1."""
    lighter = QColor(color)
    lighter.setAlphaF(opacity)
    return lighter


def mean_per_pixel(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean point of each column of pixels that has any, from left to right.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Points, px.

    Returns
    -------
    x, y : ndarray, shape (columns,)
    """
    columns = np.floor(x).astype(int)
    columns -= columns.min()
    counts = np.bincount(columns)
    filled = counts > 0
    means = [np.bincount(columns, weights=values)[filled] / counts[filled] for values in (x, y)]
    return means[0], means[1]
