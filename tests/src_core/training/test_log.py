"""Logs of trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src_core.training.log import append_row, forget_after, listed

if TYPE_CHECKING:
    from pathlib import Path


def test_rows_follow_their_heading(tmp_path: Path) -> None:
    path = tmp_path / "start.csv"
    for step in (50, 100):
        append_row(path, step, step / 7, {"loss": 1 / step})
    assert path.read_text().splitlines() == ["step,seconds,loss", "50,7.1,0.02", "100,14.3,0.01"]


def test_what_lies_after_a_step_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "start.csv"
    forget_after(path, 0)
    assert not path.exists()
    for step in (50, 100, 150):
        append_row(path, step, 1.0, {"loss": 1.0})
    forget_after(path, 100)
    assert [row.split(",")[0] for row in path.read_text().splitlines()] == ["step", "50", "100"]


def test_figures_are_listed_in_one_line() -> None:
    assert listed({"loss": 0.5, "labels": 0.25}) == "loss 0.5000 labels 0.2500"
