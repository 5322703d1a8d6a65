"""The tables of an evaluation."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from src_core.errors import InputError
from src_core.evaluation.evaluate import LAST, Score, StructureScore
from src_core.evaluation.tables import (
    NAMES,
    Evaluated,
    distinct_names,
    overview,
    paired_test,
    summary,
    write_tables,
)
from src_core.models.model import Model, load_model

if TYPE_CHECKING:
    from pathlib import Path

STRUCTURES = ("Cortex", "Subcortical-Gray-Matter", "White-Matter", "CSF")


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


def score(scan: str, *dice: float | None, subject: str = "", asked: str = LAST) -> Score:
    """A score with a Dice for each of the four tissues."""
    structures = tuple(
        StructureScore(name, value, 1.0, 0.5, 0.9, 100.0, 110.0)
        for name, value in zip(STRUCTURES, dice, strict=True)
    )
    iteration = 130 if asked == LAST else int(asked)
    return Score(
        scan,
        subject or scan,
        "val",
        None,
        asked,
        iteration,
        5.0,
        "iterations",
        30.0,
        0.9,
        structures,
    )


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
    training = {"training": {"scans": {"train": ["a", "c"], "val": ["b"]}}}
    known = replace(model, card=model.card | training)
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


def test_a_paired_test_says_what_is_known_and_what_is_not() -> None:
    subjects = "abcdef"
    low = {subject: 0.8 + 0.01 * i for i, subject in enumerate(subjects)}
    high = {subject: value + 0.02 + 0.001 * i for i, (subject, value) in enumerate(low.items())}
    test = paired_test(high, low)
    assert test.subjects == 6
    assert test.difference == pytest.approx(0.0225)
    assert 0.02 <= test.low < test.difference < test.high <= 0.025
    assert test.p == pytest.approx(2 / 2**6)
    assert paired_test(low, low).p == 1
    assert paired_test(high, {"a": 0.8, "z": 0.1}).subjects == 1


def test_models_of_one_name_are_told_apart(model: Model) -> None:
    other = replace(model, sha256="f" * 64)
    assert distinct_names([model]) == ["tiny"]
    assert distinct_names([model, other]) == [f"tiny ({model.sha256[:8]})", "tiny (ffffffff)"]


def test_the_files_hold_a_row_for_everything(model: Model, tmp_path: Path) -> None:
    scores = [score("a", 0.9, 0.8, 0.7, None), score("a", 0.9, 0.8, 0.7, 0.5, asked="0")]
    written = write_tables([Evaluated("one", model, scores, ["CSF"])], tmp_path, overwrite=False)
    assert [path.name for path in written] == list(NAMES)
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["structure"] for row in rows] == [*STRUCTURES, *STRUCTURES]
    assert [row["dice"] for row in rows[:4]] == ["0.9", "0.8", "0.7", ""]
    with (tmp_path / "scans.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["asked"] for row in rows] == [LAST, "0"]
    assert rows[0]["mean_dice"] == "0.8"


def test_tables_are_written_whole_or_not_at_all(model: Model, tmp_path: Path) -> None:
    (tmp_path / "scans.csv").write_text("mine")
    evaluated = [Evaluated("one", model, [score("a", 1, 1, 1, 1)])]
    with pytest.raises(InputError, match="--overwrite"):
        write_tables(evaluated, tmp_path, overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["scans.csv"]
    write_tables(evaluated, tmp_path, overwrite=True)
    assert (tmp_path / "scans.csv").read_text() != "mine"
