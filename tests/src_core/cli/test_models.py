"""The command `models`: what it says of the bundled models and of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src_core.models.bundled import DEFAULT_MODEL, bundled_models
from tests.helpers.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_models_shows_the_card_of_one(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", tiny_model) == 0
    shown = capsys.readouterr().out
    assert "for tests" in shown
    assert "White-Matter" in shown


def test_models_lists_the_bundled_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models") == 0
    shown = capsys.readouterr().out
    for name in bundled_models():
        assert name in shown
    lines = {line.split()[0]: " ".join(line.split()[1:-2]) for line in shown.splitlines()}
    assert lines["brain3d-fs32"] == "volumes"
    assert lines["brain2d-fs24"] == "coronal slices"
    assert lines["untrained"] == "any scan"
    assert shown.splitlines()[-1] == f"default: {DEFAULT_MODEL}"
