"""The folder in which the program keeps what belongs to its user: scans, and own models."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "NAPARI_METASEG_HOME"
"""Environment variable that names another folder."""


def user_folder() -> Path:
    """Where the system wants programs to keep such things; need not exist yet."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]).expanduser()
    if sys.platform == "win32":
        above = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        above = "~/Library/Application Support"
    else:
        above = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(above).expanduser() / "napari-metaseg"
