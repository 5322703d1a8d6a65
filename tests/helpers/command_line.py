"""Run commands, and read what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src_core.cli.main import main

if TYPE_CHECKING:
    import pytest


def run(*words: object) -> int:
    return main([str(word) for word in words])


def error_line(captured: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    (line,) = captured.readouterr().err.splitlines()
    assert line.startswith("napari-metaseg: error: ")
    return line
