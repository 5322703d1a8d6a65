"""Where labelled scans are, how they are split, and what their label ids mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from src_core.errors import InputError


@dataclass(frozen=True)
class DataSettings:
    """Where labelled scans are, how they are split, and what their label ids mean.

    Attributes
    ----------
    path : Path
        Folder or table; see `src_core.datasets.find.read_scans`.
    mapping : Path or dict or None
        Id in the protocol, or "ignore", by id in the label maps: a table or the pairs themselves;
        see `src_core.datasets.mapping.read_mapping`. None: ``label_mapping.csv`` in the folder or
        beside the table; without one the label maps hold the protocol's own ids.
    mapping_column : str or None
        The table's column of ids in the protocol; None: the one that is named as the protocol.
    scans, labels, masks : str or None
        Patterns of file names with ``{name}``, or, in a BIDS tree, the entities that a file must
        have, such as ``desc-manual``. Without `masks` the scans are skull-stripped.
    val, test : float or tuple of str or None
        The subjects to validate and to test on, or a share of them that is drawn at random. None:
        as the table's column split says.
    seed : int
        Of that draw.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    path: Path
    mapping: Path | dict[str, int | Literal["ignore"]] | None = None
    mapping_column: str | None = None
    scans: str | None = None
    labels: str | None = None
    masks: str | None = None
    val: float | tuple[str, ...] | None = None
    test: float | tuple[str, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.mapping, dict):
            for key in self.mapping:
                if not (key.isascii() and key.isdecimal()):
                    raise InputError(f"mapping: {key!r} is not a label id")
        shares = [share for share in (self.val, self.test) if isinstance(share, float | int)]
        if any(not 0 <= share < 1 for share in shares) or sum(shares) >= 1:
            raise InputError("val and test: shares are from 0 to below 1, and below 1 together")
