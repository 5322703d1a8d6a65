"""Borders that strokes have moved."""

from __future__ import annotations

import pytest
import torch

from src_core.correction.network import Change


def change(moved: list[list[float]], parts: torch.Tensor) -> Change:
    """Nothing learned but moved borders, around the origin."""
    count = len(parts)
    return Change(
        classes=torch.arange(count),
        parts=parts,
        weight=torch.zeros(count, 4),
        bias=torch.zeros(count),
        moved=torch.tensor(moved),
        centres=torch.zeros(1, 3),
        reaches=torch.tensor([10.0]),
    )


@pytest.fixture
def first_to_second() -> Change:
    """Of three classes."""
    return change([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], torch.eye(3))


def test_between_two_classes_the_painted_one_gains(first_to_second) -> None:
    scores = torch.tensor([[0.6, 0.4, 1e-4]]).log()
    assert first_to_second.shifted(scores, torch.ones(1)).argmax(1).item() == 1


def test_a_border_with_a_third_class_stays(first_to_second) -> None:
    scores = torch.tensor([[1e-4, 0.45, 0.55], [0.55, 1e-4, 0.45]]).log()
    shifted = first_to_second.shifted(scores, torch.ones(2)).softmax(1)
    torch.testing.assert_close(shifted, scores.exp(), atol=1e-3, rtol=0)


def test_where_the_fit_is_sure_nothing_changes(first_to_second) -> None:
    scores = torch.tensor([[0.97, 0.02, 0.01], [0.01, 0.98, 0.01]]).log()
    assert first_to_second.shifted(scores, torch.ones(2)).argmax(1).tolist() == [0, 1]


def test_far_away_a_border_moves_less(first_to_second) -> None:
    scores = torch.tensor([[0.6, 0.4, 1e-4]]).log().repeat(3, 1)
    positions = torch.tensor([[0.0, 0.0, 0.0], [40.0, 0.0, 0.0], [150.0, 0.0, 0.0]])
    shares = first_to_second.shares(positions)
    second = first_to_second.shifted(scores, shares).softmax(1)[:, 1]
    assert second[0] > second[1] > 0.5 > second[2] > 0.39


def test_parts_of_a_class_gain_alike() -> None:
    parts = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    both = change([[0.0, 1.0], [0.0, 0.0]], parts)
    scores = torch.tensor([[0.4, 0.2, 0.3, 0.1]]).log()
    shifted = both.shifted(scores, torch.ones(1)).softmax(1)[0]
    assert shifted[2:].sum() > 0.7
    assert shifted[2] / shifted[3] == pytest.approx(3, rel=1e-4)
    assert shifted[0] / shifted[1] == pytest.approx(2, rel=1e-4)
