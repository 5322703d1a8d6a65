"""The shallow head."""

from __future__ import annotations

import pytest
import torch

from src_core.networks.head import Head, merged_scores


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


def test_probabilities_of_finer_classes_are_summed() -> None:
    scores = torch.tensor([[0.3, 0.3, 0.4], [0.0, 0.1, 0.9]]).log() + 5
    sums = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    expected = torch.tensor([[0.6, 0.4], [0.1, 0.9]])
    torch.testing.assert_close(merged_scores(scores, sums).softmax(1), expected)


def test_a_head_that_merges_is_sure_where_all_its_other_classes_vanish() -> None:
    head = Head(1, (), 3)
    with torch.no_grad():
        head.layers[0].weight.copy_(torch.tensor([[0.0], [0.0], [500.0]]))
        head.layers[0].bias.zero_()
    head.sums = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    probabilities = head(torch.tensor([[1.0], [-1.0]])).softmax(1)
    torch.testing.assert_close(probabilities, torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    assert set(head.state_dict()) == {"layers.0.weight", "layers.0.bias"}
