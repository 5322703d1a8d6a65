"""What is known of where a structure is not."""

from __future__ import annotations

import numpy as np
import torch

from src_core.correction.added import not_part_of
from src_core.space.bias import no_bias_field
from src_core.space.intensity import IntensityScale
from src_core.space.points import BrainPoints
from src_core.space.seen import SEEN

SECTION, DAB = 10, 24


def test_a_dab_beside_whole_sections_does_not_say_what_the_rest_of_its_plane_is() -> None:
    indices = np.argwhere(np.ones((40, 40, 40), bool))
    points = BrainPoints(
        torch.from_numpy(indices.astype(np.int16)),
        torch.eye(4),
        torch.zeros(len(indices), SEEN, dtype=torch.float16),
        IntensityScale((0.0, 1.0), (0.0, 1.0)),
        no_bias_field(),
    )
    away = np.linalg.norm(indices[:, :2] - 20, axis=1)
    painted = (indices[:, 2] == SECTION) & (away < 15)
    painted |= (indices[:, 2] == DAB) & (away < 3.5)
    numbers = torch.from_numpy(np.flatnonzero(painted))
    found, sure = not_part_of(points, numbers, 0.0, torch.Generator().manual_seed(0))
    plane, near = indices[found.numpy(), 2], away[found.numpy()]
    beside_section = sure.numpy()[(plane == SECTION) & (near < 18)]
    beside_dab = sure.numpy()[(plane == DAB) & (near < 9)]
    assert beside_section.min() > 0.9
    assert beside_dab.max() < 0.45
