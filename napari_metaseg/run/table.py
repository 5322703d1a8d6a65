"""The table of structures at one iteration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_metaseg.run.status import StructureRow, StructureTable

if TYPE_CHECKING:
    from napari_metaseg.run.session import Session


def structure_table(session: Session, iteration: int, before: int | None) -> StructureTable | None:
    """Volumes, changes and overlaps of all structures, as well as they are known.

    Parameters
    ----------
    session : Session
    iteration : int
    before : int or None
        The iteration that changes are measured from.

    Returns
    -------
    StructureTable or None
        None while nothing of the iteration is counted.
    """
    tally = session.tallies.best(iteration)
    if tally is None:
        return None
    change = {} if before is None else session.tallies.change(before, iteration)
    rows = tuple(
        StructureRow(
            structure.id,
            structure.name,
            structure.color,
            tally.volumes.get(structure.id, 0.0),
            change.get(structure.id, math.nan),
            tally.dice.get(structure.id, math.nan),
            structure.group,
        )
        for structure in session.protocol.structures
    )
    return StructureTable(iteration, rows, tally.exact, before)
