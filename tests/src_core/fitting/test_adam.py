"""Our Adam against torch's."""

from __future__ import annotations

import pytest
import torch

from src_core.fitting.adam import Adam

SHAPES = ((3, 4), (5,), ())


def leaves() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in SHAPES]


def loss_of(parameters: list[torch.Tensor], step: int) -> torch.Tensor:
    """A valley that moves a little each step."""
    parts = [(p - 0.1 * step).square().sum() * (3 + n) for n, p in enumerate(parameters)]
    return torch.stack(parts).sum()


def descend(adam: Adam, parameters: list[torch.Tensor], steps: range) -> None:
    for step in steps:
        adam.zero_grad()
        loss_of(parameters, step).backward()
        adam.step([0.1, 0.01, 0.05])


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.8, 0.95)])
def test_the_steps_are_those_of_torch(betas) -> None:
    ours, theirs = leaves(), leaves()
    groups = [{"params": [p], "lr": lr} for p, lr in zip(theirs, [0.1, 0.01, 0.05], strict=True)]
    optimizer = torch.optim.Adam(groups, betas=betas)
    descend(Adam(ours, betas), ours, range(30))
    for step in range(30):
        optimizer.zero_grad()
        loss_of(theirs, step).backward()
        optimizer.step()
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


def test_one_rate_serves_all() -> None:
    ours, same = leaves(), leaves()
    for parameters, rates in ((ours, 0.02), (same, [0.02] * 3)):
        adam = Adam(parameters)
        loss_of(parameters, 1).backward()
        adam.step(rates)
    assert all(torch.equal(a, b) for a, b in zip(ours, same, strict=True))


def test_what_has_no_gradient_or_no_rate_stands_still() -> None:
    parameters, before = leaves(), leaves()
    adam = Adam(parameters)
    adam.step(0.1)
    parameters[1].requires_grad_(False)
    loss_of(parameters, 0).backward()
    adam.step([0.0, 0.1, 0.1])
    assert torch.equal(parameters[0], before[0])
    assert torch.equal(parameters[1], before[1])
    assert not torch.equal(parameters[2], before[2])


def test_a_saved_state_goes_on_to_the_same_result() -> None:
    through, interrupted = leaves(), leaves()
    descend(Adam(through), through, range(20))
    first = Adam(interrupted)
    descend(first, interrupted, range(7))
    second = Adam(interrupted)
    second.load_state(first.state())
    descend(second, interrupted, range(7, 20))
    assert all(torch.equal(a, b) for a, b in zip(through, interrupted, strict=True))
