"""The command `measure`: what it prints and writes of two label maps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from src_core.io import export, scan
from tests.helpers.command_line import error_line, run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_measure_prints_and_writes_the_comparison(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "scores.json"
    assert run("measure", files["shifted"], files["labels"], "--json", written) == 0
    printed = capsys.readouterr().out
    scores = json.loads(written.read_text())
    assert scores["protocol"] == "tissue4"
    assert 0 < scores["mean"]["dice"] < 1
    for structure in scores["structures"]:
        assert structure["name"] in printed
    assert f"{scores['mean']['dice']:.3f}" in printed


def test_measure_of_equal_maps_is_perfect(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("measure", files["labels"], files["labels"]) == 0
    assert capsys.readouterr().out.count("1.000") == 11  # Dice and similarity, and their means


def test_measure_of_an_empty_label_map_is_a_score_not_an_error(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("measure", files["empty"], files["labels"]) == 0
    assert "0.000" in capsys.readouterr().out


def test_measure_merges_the_finer_of_two_protocols(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = scan.read_scan(files["labels"])
    parcels = np.array([0, 107, 60, 45, 52])[grid.voxels.astype(int)]  # one of each tissue
    export.write_scalar_map(parcels, grid, tmp_path / "parcels.nii.gz")
    assert run("measure", tmp_path / "parcels.nii.gz", files["labels"]) == 0
    printed = capsys.readouterr().out
    assert "protocol tissue4" in printed
    assert printed.count("1.000") == 11
    assert run("measure", files["labels"], files["labels"], "--protocol", "nm134") == 2
    assert "nm134" in error_line(capsys)


def test_measure_with_unknown_ids_says_which_protocols_there_are(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = scan.read_scan(files["labels"])
    export.write_scalar_map(grid.voxels * 1000, grid, tmp_path / "strange.nii.gz")
    assert run("measure", tmp_path / "strange.nii.gz", tmp_path / "strange.nii.gz") == 2
    assert "tissue4" in error_line(capsys)


def test_measure_does_not_overwrite_unasked(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "scores.json"
    written.write_text("mine")
    assert run("measure", files["labels"], files["labels"], "--json", written) == 2
    assert "--overwrite" in error_line(capsys)
    assert written.read_text() == "mine"
    assert run("measure", files["labels"], files["labels"], "--json", written, "--overwrite") == 0
    assert written.read_text() != "mine"
