"""The command `train`: what it hands on, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from src_core.training.config import read_config
from tests.helpers.command_line import error_line, run

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.training.settings import TrainingSettings

SMALL = 'output = "mine.safetensors"\n[data]\npath = "scans"\n'


def test_the_command_trains_what_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handed: list[TrainingSettings] = []
    monkeypatch.setattr("src_core.training.train.train", handed.append)
    path = tmp_path / "training.toml"
    path.write_text(SMALL)
    assert run("train", path, "--seed", 5, "--threads", 1) == 0
    assert handed == [replace(read_config(path), seed=5, threads=1)]
    assert "mine.safetensors" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read: No such file"),
        ("a b", "is not a valid TOML file"),
        (SMALL, "exists"),
    ],
)
def test_the_command_refuses_what_it_cannot_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    path = tmp_path / "training.toml"
    if text:
        path.write_text(text)
        (tmp_path / "mine.safetensors").touch()
    assert run("train", path) == 2
    assert said in error_line(capsys)
