"""Mirrored persons: their scans, and what their structures become."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from src_core.io.labels import Protocol
    from src_core.io.scan import Scan

_OTHER_SIDE = {"left": "right", "right": "left", "l": "r", "r": "l", "lh": "rh", "rh": "lh"}


def mirror(scan: Scan) -> Scan:
    """The scan of the mirrored person: left and right change places, voxels stay."""
    return replace(scan, affine=np.diag([-1.0, 1, 1, 1]) @ scan.affine)


def mirrored_classes(protocol: Protocol) -> np.ndarray | None:
    """Class that each class becomes in the mirrored person, shape (classes,), uint8.

    Sides are told by the words left, right, l, r, lh and rh in the structures' names. None: a
    structure of one side has no partner on the other, so nobody knows what it would become.
    """
    names = [tuple(_words(structure.name)) for structure in protocol.structures]
    numbers = {name: number for number, name in enumerate(names, start=1)}
    partners = [numbers.get(tuple(_OTHER_SIDE.get(word, word) for word in name)) for name in names]
    if None in partners:
        return None
    return np.array([0, *partners], np.uint8)


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.lower())
