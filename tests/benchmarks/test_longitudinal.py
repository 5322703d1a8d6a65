"""The made-up change of a scan that the benchmark of two scans looks for."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.longitudinal import LABELS, with_known_change
from src_core.io.protocols import protocol
from src_core.io.sample import phantom


def test_structures_shrink_and_grow_as_is_said_and_the_head_moves() -> None:
    scan, tissues = phantom(3.0)
    labels = np.where(tissues == 3, 2, 0)
    middle = np.array(scan.shape) // 2
    ids = (4, 17, 43, 53)  # ventricles and hippocampi, boxes in their quarters of the brain
    for number, id_ in enumerate(ids):
        low = middle + (np.array([number % 2, number // 2, 0]) * 2 - 1) * 8
        labels[tuple(slice(start, start + 6) for start in low)] = id_
    (first, second), truth = with_known_change(scan, labels)
    found = dict(zip([one.id for one in protocol(LABELS).structures], truth, strict=True))
    assert found[4] > 1
    assert found[43] > 1
    assert found[17] < -1
    assert found[53] < -1
    volumes = [np.count_nonzero(one.voxels) for one in (scan, first)]
    assert volumes[1] == pytest.approx(volumes[0], rel=0.05)
    brain = scan.voxels > 0
    assert np.corrcoef(first.voxels[brain], second.voxels[brain])[0, 1] < 0.99
