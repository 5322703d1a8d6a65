"""`napari-metaseg review`: what is refused before a window opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_metaseg.__main__ import main
from tests.helpers.command_line import error_line

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_folder_without_a_study_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["review", str(tmp_path)]) == 2
    assert "holds no cohort" in error_line(capsys)
