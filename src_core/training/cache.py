"""Results of long work, kept in files."""

from __future__ import annotations

import io
import json
import pickle
from typing import TYPE_CHECKING, Any

import torch

from src_core.errors import InputError
from src_core.io.files import complete_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def save_whole(value: Any, path: Path) -> None:
    """Write a file completely or not at all.

    Parameters
    ----------
    value : tensor, number, text, None, or lists, tuples and dictionaries of these
    path : Path

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


def load(path: Path, device: torch.device | None = None) -> Any:
    """What a file holds that `save_whole` wrote; nothing in it is executed.

    Parameters
    ----------
    path : Path
    device : torch.device, optional
        For the tensors; by default where they were.

    Raises
    ------
    InputError
        The file holds objects, as those of earlier versions do.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} is of an earlier version, which can't be read any more; "
            f"delete the folder {path.parent}, or name another one"
        ) from error


def load_or_make(path: Path, make: Callable[[], Any]) -> Any:
    """What a file holds, made and put there if there is none; see `save_whole` and `load`."""
    ensure(path, make)
    return load(path)


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
        before = json.loads(path.read_text(encoding="utf-8"))
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
            file.write_text(json.dumps(content, indent=1), encoding="utf-8")
