"""What tells a structure that the model lacks, and what is known of where it is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from src_core.correction.added import AddedStructure, not_part_of, unknown_around
from src_core.space.bias import no_bias_field
from src_core.space.intensity import IntensityScale
from src_core.space.points import BrainPoints, Points
from src_core.space.seen import BLURS, DIFFERENCES, SEEN

SECTION, DAB = 10, 24
CLASSES = 5


@pytest.fixture(scope="module")
def points() -> BrainPoints:
    """A cube of 40 mm in which nothing is seen."""
    indices = np.argwhere(np.ones((40, 40, 40), bool))
    return BrainPoints(
        torch.from_numpy(indices.astype(np.int16)),
        torch.eye(4),
        torch.zeros(len(indices), SEEN, dtype=torch.float16),
        IntensityScale((0.0, 1.0), (0.0, 1.0)),
        no_bias_field(),
    )


def test_a_dab_beside_whole_sections_does_not_say_what_the_rest_of_its_plane_is(points) -> None:
    indices = points.indices.numpy()
    away = np.linalg.norm(indices[:, :2] - 20, axis=1)
    painted = (indices[:, 2] == SECTION) & (away < 15)
    painted |= (indices[:, 2] == DAB) & (away < 3.5)
    numbers = torch.from_numpy(np.flatnonzero(painted))
    found, sure = not_part_of(points, numbers, 6.0, torch.Generator().manual_seed(0))
    plane, near = indices[found.numpy(), 2], away[found.numpy()]
    beside_section = sure.numpy()[(plane == SECTION) & (near < 18)]
    beside_dab = sure.numpy()[(plane == DAB) & (near < 9)]
    assert beside_section.min() > 0.9
    assert beside_dab.max() < 0.45


def test_a_structure_may_go_on_as_far_as_its_sections_are_large_not_as_they_lie_apart(
    points,
) -> None:
    indices = points.indices.numpy()

    def near(radius: float, *middles: int) -> float:
        away = [np.linalg.norm(indices[:, :2] - middle, axis=1) for middle in middles]
        painted = (indices[:, 2] == SECTION) & (np.min(away, axis=0) < radius)
        return unknown_around(points, torch.from_numpy(np.flatnonzero(painted)), CLASSES)

    assert near(18, 20) > 1.5 * near(4, 20)
    assert near(4, 6, 34) == pytest.approx(near(4, 20))


def test_banks_of_a_furrow_are_told_apart_by_where_it_gets_brighter(points) -> None:
    """Alike in place, class and intensity, they differ in the slope alone."""
    numbers = torch.arange(0, len(points), 20)
    part = torch.arange(len(numbers)) % 2
    seen = torch.zeros(len(numbers), SEEN)
    seen[:, len(BLURS) + 3 * DIFFERENCES] = 2.0 * part - 1
    banks = Points(points.positions(numbers), seen)
    scores = torch.zeros(len(numbers), CLASSES)
    learned = AddedStructure.unlearned(
        banks.positions[part == 1], 0.0, CLASSES, torch.Generator().manual_seed(0)
    )
    for _ in learned.learn(learned.inputs(banks, scores), part.float(), torch.ones(len(part))):
        pass
    told = learned.log_odds(banks, scores) > 0
    assert (told == (part == 1)).float().mean() > 0.95
