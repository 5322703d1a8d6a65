"""When a prepared scan will do for another request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_metaseg.run.request import Request

MASK = np.ones((2, 3, 4), bool)
FIRST = Request("scan.nii", mask=MASK)


@pytest.mark.parametrize(
    "changes",
    [
        {"iterations": 5, "seed": 1, "history_bytes": 2**20},
        {"reference": MASK},
        {"mask": MASK.copy()},
    ],
)
def test_what_only_the_fit_needs_may_differ(changes: dict[str, Any]) -> None:
    assert replace(FIRST, **changes).prepares_like(FIRST)


@pytest.mark.parametrize(
    "changes",
    [{"device": "cpu"}, {"mask": None}, {"mask": ~MASK}, {"align": False}, {"scan": "other.nii"}],
)
def test_all_else_may_not(changes: dict[str, Any]) -> None:
    assert not replace(FIRST, **changes).prepares_like(FIRST)
