"""The stage that warps scans onto their mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from src_core.errors import InputError
from src_core.networks.settings import WarpedSettings
from src_core.networks.warped import WarpedNetwork
from src_core.space.seen import BLURS
from src_core.training.examples.example import Example
from src_core.training.stages import group
from src_core.training.stages.examples import Examples
from src_core.training.task import Task, read_task

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.space.intensity import IntensityRule
    from src_core.space.points import BrainPoints
    from src_core.space.template import TemplateImage
    from src_core.training.settings import TrainingSettings


@pytest.fixture
def task(training: TrainingSettings, tmp_path: Path) -> Task:
    return read_task(replace(training, cache=tmp_path))


@pytest.fixture
def network() -> WarpedNetwork:
    return WarpedNetwork(WarpedSettings(5, width=8, depth=1, hidden=(), warp_iterations=4))


@pytest.fixture
def examples(points: BrainPoints, rule: IntensityRule, template: TemplateImage) -> Examples:
    """One scan as it came, and one that was changed and takes no part."""
    labels = torch.zeros(len(points), dtype=torch.int16)
    train = [
        Example(f"s0-{variant}", "train", variant, points, labels, mirrored=False, volume=64.0)
        for variant in (0, 2)
    ]
    return Examples(rule, template, train, [], {})


def test_it_is_made_once_and_read_again(
    task: Task, network: WarpedNetwork, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = network.fitted_vector()
    made = group.make_group(task, network, examples)
    assert torch.equal(network.fitted_vector(), before)
    assert made.positions.keys() == {"s0-0"}
    assert made.picture.values.shape[0] == len(BLURS)
    monkeypatch.setattr(group, "Fit", lambda *_: pytest.fail("fitted again"))
    again = group.make_group(task, network, examples)
    assert torch.equal(again.picture.values, made.picture.values)
    assert again.picture.origin == made.picture.origin
    assert torch.equal(again.positions["s0-0"], made.positions["s0-0"])


def test_one_of_an_earlier_version_is_refused(
    task: Task, network: WarpedNetwork, examples: Examples
) -> None:
    """It was a pickled picture."""
    made = group.make_group(task, network, examples)
    (path,) = task.settings.cache_folder.glob("group-*.pt")
    torch.save((made.picture, made.positions), path)
    with pytest.raises(InputError, match="is of an earlier version"):
        group.make_group(task, network, examples)
