"""What training makes small."""

from __future__ import annotations

import math

import pytest
import torch

from src_core.datasets.mapping import IGNORED
from src_core.training.losses import dice_per_class, focal_loss, segmentation_loss

CLASSES = torch.tensor([0, 0, 1, 1, 1, 2, 2, 0], dtype=torch.uint8)


def scores_for(classes: torch.Tensor, certainty: float) -> torch.Tensor:
    return certainty * torch.nn.functional.one_hot(classes.long(), 4).float()


def test_the_loss_falls_to_zero_as_the_right_answer_becomes_certain() -> None:
    losses = [segmentation_loss(scores_for(CLASSES, c), CLASSES).item() for c in (0, 2, 5, 50)]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 1
    assert losses[-1] == pytest.approx(0, abs=1e-5)


def test_ignored_points_take_no_part() -> None:
    logits = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    with_ignored = torch.cat([CLASSES, torch.full((3,), IGNORED, dtype=torch.uint8)])
    more = torch.cat([logits, 100 * torch.ones(3, 4)])
    assert segmentation_loss(more, with_ignored) == segmentation_loss(logits, CLASSES)


def test_a_piece_of_background_alone_has_a_loss() -> None:
    background = torch.zeros(5, dtype=torch.uint8)
    assert math.isfinite(segmentation_loss(torch.zeros(5, 4), background).item())


def test_a_structure_that_is_not_there_should_not_be_found() -> None:
    nothing, something = (torch.zeros(8, 4) for _ in range(2))
    nothing[:, 3], something[:, 3] = -10, -10
    something[7, 3] = 10
    blamed = segmentation_loss(something, CLASSES) - segmentation_loss(nothing, CLASSES)
    entropy = focal_loss(something, CLASSES, 0.0) - focal_loss(nothing, CLASSES, 0.0)
    assert blamed > entropy + 0.1


def test_dice_counts_each_class_by_itself() -> None:
    found = torch.tensor([0, 1, 1, 1, 0, 2, 2, 0])
    assert dice_per_class(found, CLASSES, 3) == [pytest.approx(2 / 3), 1.0]
    one, two, three = dice_per_class(torch.zeros(8, dtype=torch.long), CLASSES, 4)
    assert (one, two) == (0, 0)
    assert math.isnan(three)


def test_dice_looks_at_known_points_only() -> None:
    classes = CLASSES.clone()
    classes[:5] = IGNORED
    found = torch.tensor([1, 2, 1, 2, 1, 2, 2, 0])
    one, two = dice_per_class(found, classes, 3)
    assert math.isnan(one)
    assert two == 1


def test_without_focus_the_focal_loss_is_the_cross_entropy() -> None:
    logits = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    entropy = torch.nn.functional.cross_entropy(logits, CLASSES.long())
    assert focal_loss(logits, CLASSES, 0.0).item() == pytest.approx(entropy.item())


def test_the_focal_loss_cares_less_about_what_is_already_sure() -> None:
    unsure, sure = (scores_for(CLASSES, certainty) for certainty in (1.0, 4.0))
    plain = focal_loss(sure, CLASSES, 0.0) / focal_loss(unsure, CLASSES, 0.0)
    focused = focal_loss(sure, CLASSES, 2.0) / focal_loss(unsure, CLASSES, 2.0)
    assert focused < 0.05 * plain
    # certainty c for one of four classes: p = e^c / (e^c + 3)
    chance = math.exp(1) / (math.exp(1) + 3)
    expected = -((1 - chance) ** 2) * math.log(chance)
    assert focal_loss(unsure, CLASSES, 2.0).item() == pytest.approx(expected, rel=1e-5)


def test_the_focal_loss_leaves_ignored_points_out() -> None:
    logits = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    with_ignored = torch.cat([CLASSES, torch.full((3,), IGNORED, dtype=torch.uint8)])
    more = torch.cat([logits, 100 * torch.ones(3, 4)])
    assert focal_loss(more, with_ignored, 1.0) == focal_loss(logits, CLASSES, 1.0)
    assert focal_loss(more[8:], with_ignored[8:], 1.0) == 0
