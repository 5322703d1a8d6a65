"""Tests of `src_core.training.plots`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

from src_core.training.plots import write_curves

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("scans", [3, 60])
def test_there_is_room_for_curves_beside_their_names(tmp_path: Path, scans: int) -> None:
    pytest.importorskip("matplotlib")
    log = tmp_path / "head-scores.csv"
    names = [f"scan-{number}" for number in range(scans)]
    rows = [[step, 1.0, *[0.8] * (scans + 1)] for step in (500, 1000)]
    lines = [["step", "seconds", *names, "mean"], *rows]
    log.write_text("\n".join(",".join(map(str, line)) for line in lines))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns where a legend leaves no room
        assert write_curves([log], tmp_path / "curves.png")


def test_no_picture_without_logs(tmp_path: Path) -> None:
    assert not write_curves([tmp_path / "head.csv"], tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
