"""Pictures to judge labels by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from src_core.cohort.pictures import HEIGHT, write_picture
from src_core.io.protocols import protocol

if TYPE_CHECKING:
    from pathlib import Path

    from tests.src_core.conftest import Brain


def test_three_planes_stand_side_by_side_with_outlines_in_the_colours_of_the_structures(
    brain: Brain, tmp_path: Path
) -> None:
    file = tmp_path / "picture.jpg"
    write_picture(brain.scan, brain.labels, brain.mask, protocol("tissue4").structures, file)
    with Image.open(file) as picture:
        pixels = np.asarray(picture).astype(int)
    assert pixels.shape[0] == HEIGHT
    assert 2 * HEIGHT < pixels.shape[1] < 5 * HEIGHT
    colorful = np.ptp(pixels, axis=2) > 60
    for third in np.array_split(colorful, 3, axis=1):
        assert 0.01 < third.mean() < 0.5
