"""The command `evaluate`: its tables, and what it refuses before any fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.command_line import error_line, run

if TYPE_CHECKING:
    from pathlib import Path


def test_evaluate_writes_its_tables_once_and_again_only_if_told(
    data_folder: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "scores"
    words = ["evaluate", tiny_model, data_folder, "--output", output]
    words += ["--splits", "val", "--iterations", "0,2", "--leave-out", "CSF"]
    assert run(*words) == 0
    assert "tiny" in capsys.readouterr().out
    names = ("scores.csv", "scans.csv", "summary.md")
    before = [(output / name).read_text() for name in names]
    assert run(*words) == 2
    assert "--overwrite" in error_line(capsys)
    assert run(*words, "--overwrite") == 0
    assert [(output / name).read_text() for name in names] == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--leave-out", "Vermis"], "Vermis"),
        (["--splits", "test"], "no scan has the split test"),
        (["--output", "no-such-folder/scores"], "no-such-folder"),
    ],
)
def test_an_evaluation_that_cannot_work_is_refused_before_any_fit(
    words: list[str],
    said: str,
    data_folder: Path,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("src_core.evaluation.evaluate.segment", None)
    monkeypatch.chdir(tmp_path)
    words = ["--splits", "val", "--output", "scores", *words]
    assert run("evaluate", tiny_model, data_folder, *words) == 2
    assert said in error_line(capsys)
    assert list(tmp_path.iterdir()) == []
