"""A head that learns what was corrected, and stays as it was elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from src_core.adaptation.examples import HeadExample
from src_core.adaptation.head import learn_head, mean_dice
from src_core.adaptation.settings import AdaptSettings
from src_core.datasets.mapping import IGNORED
from src_core.networks.head import Head, between

if TYPE_CHECKING:
    from pathlib import Path

QUICK = AdaptSettings(steps=60, rate=3e-2)


@pytest.fixture
def head() -> Head:
    """A head of three classes."""
    torch.manual_seed(0)
    return Head(4, (32,), 3)


@pytest.fixture
def example(head: Head) -> HeadExample:
    """Points whose class the head tells, except where the first number is large: that is 2."""
    inputs = torch.randn(4000, 4, generator=torch.Generator().manual_seed(1)).half()
    corrected = inputs[:, 0] > 1.5
    classes = head(inputs.float()).argmax(1).masked_fill(corrected, 2).to(torch.uint8)
    return HeadExample(0, "three", inputs, classes, corrected, all_right=False)


def learned(
    head: Head, example: HeadExample, settings: AdaptSettings, work: Path, sums: torch.Tensor | None
) -> Head:
    unknown = torch.full_like(example.classes, IGNORED)
    inputs = example.inputs.clone()
    inputs[:, 0] = -inputs[:, 0].abs()
    nothing = torch.zeros_like(example.corrected)
    stand_in = replace(example, inputs=inputs, classes=unknown, corrected=nothing)
    after = between(head, head, 1)
    for _ in learn_head(after, [example], [stand_in], {"three": sums}, settings, "head", work):
        pass
    return after


def test_few_corrections_are_learned_and_the_rest_stays(
    head: Head, example: HeadExample, tmp_path: Path
) -> None:
    after = learned(head, example, replace(QUICK, steps=150, stay=10), tmp_path, None)
    told = after(example.inputs.float()).argmax(1)
    right = told == example.classes
    assert right[example.corrected].float().mean() > 0.9
    assert right[~example.corrected].float().mean() > 0.85
    half = between(head, after, 0.5)
    for before, middle, end in zip(
        head.parameters(), half.parameters(), after.parameters(), strict=True
    ):
        torch.testing.assert_close(middle, (before + end) / 2)


def test_labels_that_are_merged_teach_the_finer_classes_as_a_whole(
    head: Head, example: HeadExample, tmp_path: Path
) -> None:
    """In a protocol without the class 2, which is part of 1 there."""
    sums = torch.tensor([[1.0, 0], [0, 1], [0, 1]])
    merged = replace(example, classes=example.classes.clamp(max=1), all_right=True)
    after = learned(head, merged, QUICK, tmp_path, sums)
    assert mean_dice(after, merged, sums) > max(0.9, mean_dice(head, merged, sums))


def test_labels_of_which_nothing_was_corrected_teach_nothing(
    head: Head, example: HeadExample, tmp_path: Path
) -> None:
    nothing = replace(example, corrected=torch.zeros_like(example.corrected))
    after = learned(head, nothing, replace(QUICK, steps=3, rate=1e-3), tmp_path, None)
    assert (after(example.inputs.float()) - head(example.inputs.float())).abs().max() < 0.1
