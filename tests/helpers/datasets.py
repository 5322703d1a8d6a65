"""Small data sets to find labelled scans in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from src_core.datasets.find import read_scans
from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.io.protocols import protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

TISSUES = protocol("tissue4")
TABLE = "scan,subject,split\na,p1,train\nb,p1,train\nc,p2,val\nd,p3,test\n"


def touch(folder: Path, *names: str) -> Path:
    """Make empty files, for what is found by names alone."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def pairs(folder: Path, *names: str) -> Path:
    return touch(folder, *(f"{name}_{what}.nii.gz" for name in names for what in ("T1w", "labels")))


def splits(data: DataSettings) -> dict[str, str]:
    return {scan.name: scan.split for scan in read_scans(data, needed=())}


def refused(said: str) -> AbstractContextManager[pytest.ExceptionInfo[InputError]]:
    return pytest.raises(InputError, match=re.escape(said))


def write_table(folder: Path, text: str) -> DataSettings:
    (folder / "scans.csv").write_text(text)
    return DataSettings(folder / "scans.csv")
