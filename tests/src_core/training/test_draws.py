"""What is drawn at random."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from src_core.errors import InputError
from src_core.training.draws import DrawnPoints, draw_examples, draw_points
from src_core.training.examples.example import Example

if TYPE_CHECKING:
    from src_core.space.points import BrainPoints


@pytest.fixture
def example(points: BrainPoints) -> Example:
    labels = torch.zeros(len(points), dtype=torch.int16)
    return Example("s0-0", "train", 0, points, labels, mirrored=False, volume=64.0)


def drawn(example: Example, seed: int) -> DrawnPoints:
    classes = (torch.arange(len(example.points)) % 5).to(torch.uint8)
    generator = torch.Generator().manual_seed(seed)
    return draw_points(example, classes, 100, generator, torch.device("cpu"))


def test_points_come_with_their_classes(example: Example) -> None:
    found = drawn(example, seed=0)
    assert torch.equal(found.classes, (found.numbers % 5).to(torch.uint8))
    assert torch.equal(found.points.positions, example.points.take(found.numbers).positions)


def test_the_generator_decides_what_is_drawn(example: Example) -> None:
    assert torch.equal(drawn(example, 0).numbers, drawn(example, 0).numbers)
    assert not torch.equal(drawn(example, 0).numbers, drawn(example, 1).numbers)


def test_as_many_examples_are_drawn_as_are_wanted(example: Example) -> None:
    generator = torch.Generator().manual_seed(0)
    assert draw_examples([example], 3, generator) == [example] * 3
    assert draw_examples([example], 0, generator) == []


def test_scores_that_are_not_finite_name_the_scan(example: Example) -> None:
    found = drawn(example, 0)
    with pytest.raises(InputError, match=r"not finite for the scan s0-0; .* in work stays"):
        found.beside(torch.full((100, 5), torch.inf), Path("work"))
