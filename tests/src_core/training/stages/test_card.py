"""What the card of a trained model says."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from src_core.fitting.settings import FitSettings
from src_core.models.model import load_model
from src_core.networks.settings import WarpedSettings
from src_core.networks.warped import WarpedNetwork
from src_core.training.stages.card import write_card
from src_core.training.task import Task, read_task

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.models.card import Card
    from src_core.space.intensity import IntensityRule
    from src_core.training.settings import TrainingSettings


@pytest.fixture
def task(training: TrainingSettings, tmp_path: Path) -> Task:
    return read_task(replace(training, output=tmp_path / "mine.safetensors", licence=""))


def written(task: Task, rule: IntensityRule, dice: list[list[float]]) -> Card:
    network = WarpedNetwork(WarpedSettings(len(task.protocol.ids), width=8, depth=1, hidden=()))
    write_card(task, network, rule, dice)
    return load_model(task.settings.output).card


def test_how_to_fit_stands_in_the_card(task: Task, rule: IntensityRule) -> None:
    fit = FitSettings(60, seed=3, earliest_stop=40, tolerance=1e-3, look_every=5)
    fitted = replace(task, settings=replace(task.settings, fit=fit))
    assert written(fitted, rule, []).fit == replace(fit, seed=0)


def test_scores_are_means_of_what_is_there(task: Task, rule: IntensityRule) -> None:
    card = written(task, rule, [[0.5, 0.7, math.nan, math.nan], [0.7, math.nan, math.nan, 0.5]])
    names = [structure.name for structure in task.protocol.structures]
    expected = {names[0]: 0.6, names[1]: 0.7, names[3]: 0.5}
    assert card.scores["dice"] == pytest.approx(expected)
    assert card.scores["mean_foreground"] == pytest.approx(0.6)


def test_without_scans_to_judge_by_there_are_no_scores(task: Task, rule: IntensityRule) -> None:
    assert written(task, rule, []).scores == {}


def test_what_is_not_said_is_named_after_the_file(task: Task, rule: IntensityRule) -> None:
    card = written(task, rule, [])
    assert card.name == "mine"
    assert "tissue4" in card.description
    assert "label maps may bind" in card.licence
    assert card.training["command"] == "napari-metaseg train mine.toml"
