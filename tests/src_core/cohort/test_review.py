"""What was said of the labels of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from src_core.cohort.review import Judgement, read_review, write_judgement
from tests.helpers.datasets import refused

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_said_is_kept_replaced_and_taken_back(tmp_path: Path) -> None:
    assert read_review(tmp_path) == {}
    write_judgement(tmp_path, "sub-2", Judgement("reject", 'it "moved",\n\tmuch', "abc"))
    write_judgement(tmp_path, "sub-1", Judgement("good"))
    write_judgement(tmp_path, "sub-3", Judgement("", "look again"))
    assert read_review(tmp_path) == {
        "sub-1": Judgement("good"),
        "sub-2": Judgement("reject", 'it "moved", much', "abc"),
        "sub-3": Judgement("", "look again"),
    }
    table = pd.read_csv(tmp_path / "review.tsv", sep="\t")
    assert table["verdict"].fillna("").tolist() == ["good", "reject", ""]
    write_judgement(tmp_path, "sub-1", Judgement("correct", "caudate"))
    write_judgement(tmp_path, "sub-3", Judgement())
    assert read_review(tmp_path).keys() == {"sub-1", "sub-2"}
    assert read_review(tmp_path)["sub-1"].verdict == "correct"
    assert [file.name for file in tmp_path.iterdir()] == ["review.tsv"]


def test_a_damaged_table_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "review.tsv").write_text("scan\tnote\nsub-1\tx\n")
    with refused("the column 'verdict' is missing"):
        write_judgement(tmp_path, "sub-1", Judgement("good"))
    assert "sub-1\tx" in (tmp_path / "review.tsv").read_text()
