"""Fixtures of the training's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.datasets import TABLE, pairs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four empty pairs of files with the table that splits them."""
    (tmp_path / "subjects.csv").write_text(TABLE)
    return pairs(tmp_path, *"abcd")
