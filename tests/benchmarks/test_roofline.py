"""What some work costs, and how soon a card can have done it."""

from __future__ import annotations

import pytest
import torch

from benchmarks.roofline import LAUNCH, Card, Cost, cost_of


def test_operations_and_bytes_of_a_matrix_product_are_counted() -> None:
    first, second = torch.ones(8, 16), torch.ones(16, 4)
    cost = cost_of(lambda: first @ second.view(4, 16).view(16, 4))
    assert cost == Cost(2 * 8 * 16 * 4, 4 * (8 * 16 + 16 * 4 + 8 * 4), 1)


def test_of_a_large_tensor_only_what_is_taken_out_is_read() -> None:
    large, which = torch.ones(10_000, 2), torch.tensor([5, 7])
    assert cost_of(lambda: large[which]) == Cost(0, 2 * 4 * 4, 1)


def test_what_is_changed_in_place_is_no_view() -> None:
    assert cost_of(lambda: torch.ones(5).add_(1)).launches == 2


def test_a_card_is_bound_by_arithmetic_memory_or_launches() -> None:
    bounds = Cost(10**12, 10**9, 1000).bounds(Card("any", 1e13, 1e11))
    assert bounds == {
        "arithmetic": pytest.approx(0.1),
        "memory": pytest.approx(0.01),
        "launches": pytest.approx(1000 * LAUNCH),
    }
