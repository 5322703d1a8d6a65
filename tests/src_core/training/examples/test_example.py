"""Points of a scan with their labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from src_core.datasets.mapping import IGNORED
from src_core.io.protocols import protocol


def test_left_and_right_change_their_classes_in_a_mirrored_scan(maker, scans) -> None:
    fs32 = protocol("fs32")
    left, right = (
        1 + [structure.name for structure in fs32.structures].index(f"{side}-Thalamus")
        for side in ("Left", "Right")
    )
    (example,) = maker.make(scans[0], 0)
    mapping = np.array([0, left, right, IGNORED, 16], np.uint8)
    labels = torch.tensor([0, 1, 2, 3], dtype=torch.int16)
    for mirrored, expected in ((False, [0, left, right]), (True, [0, right, left])):
        one = replace(example, labels=labels, mirrored=mirrored)
        assert one.classes(mapping, fs32).tolist() == [*expected, IGNORED]
