"""What a file was when it was read, so that it is known whether it has changed since."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_CHUNK = 1 << 20


def stamp_of(path: Path) -> dict[str, Any]:
    """Checksum, size and time of a file, or of all files of a folder."""
    checksum = hashlib.sha256()
    for file in _files(path):
        checksum.update(file.name.encode(errors="surrogateescape"))
        with file.open("rb") as opened:
            while block := opened.read(_CHUNK):
                checksum.update(block)
    return {"sha256": checksum.hexdigest(), **_seen(path)}


def is_unchanged(path: Path, stamp: Mapping[str, Any]) -> bool:
    """Whether a file is what it was; it is read only if it was touched since."""
    try:
        seen = _seen(path)
        if seen["bytes"] != stamp.get("bytes"):
            return False
        touched = seen["modified_ns"] != stamp.get("modified_ns")
        return not touched or stamp_of(path)["sha256"] == stamp.get("sha256")
    except OSError:
        return False


def _seen(path: Path) -> dict[str, int]:
    every = [file.stat() for file in _files(path)]
    return {
        "bytes": sum(one.st_size for one in every),
        "modified_ns": max((one.st_mtime_ns for one in every), default=0),
    }


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
