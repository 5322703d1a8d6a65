"""The tables of an evaluation."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from src_core.errors import InputError
from src_core.evaluation.evaluated import Evaluated
from src_core.evaluation.scores import LAST
from src_core.evaluation.tables import NAMES, write_tables
from src_core.models.model import Model, load_model
from tests.helpers.scores import STRUCTURES, score

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


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
    with pytest.raises(InputError, match="replaced"):
        write_tables(evaluated, tmp_path, overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["scans.csv"]
    write_tables(evaluated, tmp_path, overwrite=True)
    assert (tmp_path / "scans.csv").read_text() != "mine"
