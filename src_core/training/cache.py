"""Results of long work, kept in files."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from src_core.errors import InputError
from src_core.io.files import complete_files

Made = TypeVar("Made")


def save_whole(value: Any, path: Path) -> None:
    """Write a file completely or not at all.

    Raises
    ------
    InputError
        The disk is full or fails otherwise.
    """
    content = io.BytesIO()
    torch.save(value, content)
    with complete_files([path], overwrite=True) as (file,):
        file.write_bytes(content.getbuffer())


def ensure(path: Path, make: Callable[[], Any]) -> None:
    """Make what a file is to hold and put it there, if there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_whole(make(), path)


def load_or_make(path: Path, make: Callable[[], Made]) -> Made:
    """What a file holds, made and put there if there is none."""
    ensure(path, make)
    return torch.load(path, weights_only=False)


def claim(folder: Path, configuration: dict[str, Any]) -> None:
    """Make a folder serve one configuration only.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    configuration : dict
        All that its files depend on, for JSON.

    Raises
    ------
    InputError
        The folder serves another configuration; the message says where they differ.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = json.loads(json.dumps(configuration, default=str))
    path = folder / "settings.json"
    if path.exists():
        before = json.loads(path.read_text())
        differing = sorted(
            k for k in before.keys() | content.keys() if before.get(k) != content.get(k)
        )
        if differing:
            raise InputError(
                f"{folder}: holds another training, with other {', '.join(differing)}; "
                "name another folder"
            )
    else:
        with complete_files([path], overwrite=True) as (file,):
            file.write_text(json.dumps(content, indent=1))
