"""Tables of structures, our own and those that other programs wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src_core.errors import InputError
from src_core.io.tables import read_structures, read_table

if TYPE_CHECKING:
    from pathlib import Path


def table_of(folder: Path, text: str) -> Path:
    (path := folder / "a.tsv").write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "index\tname\n1\tCore\tsurplus\n",
        "index\tname\tname\n1\tRim\tCore\n",
        "index\tname\tcolor\n1\tCore\t1a2b3c\n",
        "index\tname\tcolor\n1\tn/a\t#1a2b3c\n",
    ],
)
def test_what_is_lax_about_a_table_is_refused_only_where_it_must_be_strict(
    tmp_path: Path, text: str
) -> None:
    path = table_of(tmp_path, text)
    with pytest.raises(InputError, match=r"a\.tsv"):
        read_structures(path)
    (structure,) = read_structures(path, strict=False)
    assert structure.id == 1
    assert structure.name == ("Label 1" if "n/a" in text else "Core")


def test_colours_that_are_not_given_are_asked_for_by_row_and_id(tmp_path: Path) -> None:
    path = table_of(tmp_path, "index\tname\n0\tNothing\n7\tCore\n")
    (structure,) = read_structures(path, default_color=lambda row, label: (row, label, 0))
    assert structure.color == (1, 7, 0)


def test_a_row_of_empty_cells_is_left_out_of_a_strict_table_only(tmp_path: Path) -> None:
    path = table_of(tmp_path, "index\tname\n\t\n\n7\tCore\n")
    assert len(read_table(path, ["index"])) == 1
    assert len(read_table(path, ["index"], strict=False)) == 2


def test_empty_columns_of_a_spreadsheet_have_no_name_to_share(tmp_path: Path) -> None:
    (path := tmp_path / "scans.csv").write_text("scan,subject,,\na,1,,\n")
    (row,) = read_table(path, ["scan", "subject"])
    assert (row["scan"], row["subject"]) == ("a", "1")
    path.write_text("scan,scan\na,b\n")
    with pytest.raises(InputError, match="two columns have the same name"):
        read_table(path, ["scan"])
