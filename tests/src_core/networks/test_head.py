"""The shallow head."""

from __future__ import annotations

import pytest
import torch

from src_core.networks.head import Head


@pytest.mark.parametrize(("hidden", "layers"), [((), 1), ((8,), 2), ((8, 6), 3)])
def test_it_gives_one_score_per_class(hidden, layers) -> None:
    head = Head(10, hidden, 5)
    assert head(torch.zeros(7, 10)).shape == (7, 5)
    assert sum(parameter.ndim == 2 for parameter in head.parameters()) == layers


def test_it_can_tell_what_no_line_can() -> None:
    torch.manual_seed(0)
    inputs = torch.rand(400, 2) * 2 - 1
    classes = (inputs.prod(1) > 0).long()
    head = Head(2, (16,), 2)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.5, momentum=0.9)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(inputs), classes).backward()
        optimizer.step()
    assert (head(inputs).argmax(1) == classes).float().mean() > 0.95
