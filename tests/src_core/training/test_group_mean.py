"""The mean picture of a group."""

from __future__ import annotations

import pytest
import torch

from src_core.space.seen import BLURS
from src_core.training.group_mean import GroupMean

LOW, HIGH = (-20.0, -20.0, -20.0), (20.0, 24.0, 30.0)


def ball(value: float, count: int = 60_000) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Points of a ball of 15 mm, all of one intensity in every channel, and their volume each."""
    generator = torch.Generator().manual_seed(int(10 * value))
    positions = 30 * torch.rand(count, 3, generator=generator) - 15
    volume = 30.0**3 / count
    positions = positions[positions.norm(dim=1) < 15]
    return volume, positions, torch.full((len(positions), len(BLURS)), value)


def test_inside_it_is_the_mean_and_outside_nothing() -> None:
    mean = GroupMean(LOW, HIGH)
    for value in (0.4, 0.8):
        mean.add(*ball(value))
    image = mean.image()
    assert image.values.shape[0] == len(BLURS)
    distance = image.positions().norm(dim=1).view(image.values.shape[1:])
    inside, outside = image.values[:, distance < 11], image.values[:, distance > 19]
    torch.testing.assert_close(inside, torch.full_like(inside, 0.6), atol=0.1, rtol=0)
    assert (outside == 0).all()


def test_where_few_scans_have_brain_it_fades() -> None:
    mean = GroupMean(LOW, HIGH)
    mean.add(*ball(0.8))
    for _ in range(3):
        mean.add(1.0, torch.zeros(0, 3), torch.zeros(0, len(BLURS)))
    middle = mean.image().at(torch.zeros(1, 3))
    assert middle[0, 0].item() == pytest.approx(0.4, abs=0.06)


def test_the_number_of_points_per_scan_does_not_matter() -> None:
    many, few = GroupMean(LOW, HIGH), GroupMean(LOW, HIGH)
    many.add(*ball(0.8, 60_000))
    few.add(*ball(0.8, 30_000))
    where = torch.tensor([[0.0, 0, 0], [5, -5, 5], [-8, 2, 1]])
    torch.testing.assert_close(many.image().at(where), few.image().at(where), atol=0.05, rtol=0)


def test_points_outside_the_box_do_no_harm() -> None:
    mean = GroupMean(LOW, HIGH)
    mean.add(1.0, torch.tensor([[500.0, 0, 0], [0, -20.5, 0], [0, 0, 30]]), torch.ones(3, 4))
    assert torch.isfinite(mean.image().values).all()
