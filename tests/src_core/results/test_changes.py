"""Volumes side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from src_core.io.protocols import protocol
from src_core.io.scan import scan_from_array
from src_core.results.changes import change, volume_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path


def test_another_order_changes_the_sign_alone() -> None:
    assert change(90, 110) == pytest.approx(20)
    assert change(110, 90) == pytest.approx(-20)


def test_volumes_are_in_mm3_whatever_the_voxels_and_what_is_missing_is_said(tmp_path: Path) -> None:
    labels = np.zeros((8, 8, 8), int)
    labels[:2], labels[2, 0, 0] = 1, 3
    values = np.arange(512.0).reshape(8, 8, 8)
    coarse = scan_from_array(values, np.diag([2, 1, 1, 1]))
    fine = scan_from_array(values, np.eye(4))
    rows = volume_rows([labels, labels], [coarse, fine], protocol("tissue4"))
    assert rows[0] == (1, "Cortex", [256, 128], [pytest.approx(-200 / 3)])
    write_rows(rows, tmp_path / "table.tsv")
    lines = [line.split("\t") for line in (tmp_path / "table.tsv").read_text().splitlines()]
    assert lines[0] == ["index", "name", "volume_mm3_1", "volume_mm3_2", "change_percent_2"]
    assert lines[1] == ["1", "Cortex", "256.000", "128.000", "-66.667"]
    assert lines[2][2:] == ["0.000", "0.000", "n/a"]
