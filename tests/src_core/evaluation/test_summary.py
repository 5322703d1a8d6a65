"""The summary of an evaluation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from src_core.evaluation.evaluated import Evaluated
from src_core.evaluation.scores import LAST
from src_core.evaluation.summary import overview, summary
from src_core.models.model import Model, load_model
from tests.helpers.scores import score

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


def cells(markdown: str, first: str) -> list[str]:
    """The row of a table that begins so."""
    (row,) = [line for line in markdown.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_means_spread_and_worst_scan_are_told_for_each_structure(model: Model) -> None:
    scores = [score("a", 0.9, 0.8, 0.7, 0.6), score("b", 0.8, 0.8, 0.7, None)]
    text = summary([Evaluated("one", model, scores)])
    assert cells(text, "Cortex")[1:3] == ["0.850 ± 0.071", "0.800 (b)"]
    assert cells(text, "CSF")[1:3] == ["0.600", "0.600 (a)"]
    assert cells(text, "**mean**")[1:3] == ["0.758 ± 0.012", "0.750 (a)"]


def test_what_is_left_out_is_not_in_the_means(model: Model) -> None:
    scores = [score("a", 0.9, 0.8, 0.7, 0.0)]
    text = summary([Evaluated("one", model, scores, leave_out=["CSF"])])
    assert cells(text, "**mean**")[1] == "0.800"
    assert "left out of all means: CSF" in text


def test_scans_that_the_model_was_trained_on_are_named(model: Model) -> None:
    training = {"scans": {"train": ["a", "c"], "val": ["b"]}}
    known = replace(model, card=replace(model.card, training=training))
    scores = [score("a", 1, 1, 1, 1), score("b", 1, 1, 1, 1)]
    assert "trained on scans of these names: a**" in summary([Evaluated("one", known, scores)])
    assert "trained on" not in summary([Evaluated("one", model, scores)])


def test_the_iterations_come_one_after_the_other(model: Model) -> None:
    scores = [
        score("a", 0.1, 0.1, 0.1, 0.1, asked="0"),
        score("a", 0.9, 0.9, 0.9, 0.9),
        score("b", 0.3, 0.3, 0.3, 0.3, asked="0"),
        replace(score("b", 0.9, 0.9, 0.9, 0.9), iteration=85),
    ]
    text = summary([Evaluated("one", model, scores)])
    assert cells(text, "0")[1:4] == ["0", "0.200 ± 0.141", "0.100 (a)"]
    assert cells(text, LAST)[1] == "85 to 130"


def test_slices_are_averaged_within_their_scan(model: Model) -> None:
    whole = score("b", 0.5, 0.5, 0.5, 0.5)
    slices = [
        replace(score("a", *4 * [dice]), slice_mm=place) for place, dice in ((0, 0.8), (5, 1.0))
    ]
    row = overview([Evaluated("one", model, [*slices, whole])])[1]
    assert row[1:4] == ["2", "0.700", "0.500 (b)"]


def test_two_models_are_compared_subject_by_subject(model: Model) -> None:
    first = [
        score("a1", *4 * [0.9], subject="a"),
        score("a2", *4 * [0.7], subject="a"),
        score("b", *4 * [0.9]),
    ]
    second = [score(s.scan, *4 * [0.7], subject=s.subject) for s in first]
    text = summary([Evaluated("one", model, first), Evaluated("two", model, second)])
    assert cells(text, "one - two") == ["one - two", "2", "+0.1500", "+0.1000 to +0.2000", "0.5"]
    assert "of 2 the smallest possible is 0.5" in text


def test_one_model_is_compared_with_nothing(model: Model) -> None:
    assert "Wilcoxon" not in summary([Evaluated("one", model, [score("a", 1, 1, 1, 1)])])
