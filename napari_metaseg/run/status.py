"""What a job tells of itself: plain values for the panel to show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """Where a job stands."""

    IDLE = "idle"
    LOADING = "loading"
    ALIGNING = "aligning"
    FITTING = "fitting"
    PAUSED = "paused"
    FINISHING = "finishing"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def running(self) -> bool:
        """Whether a fit is under way; a paused one is."""
        return self not in (State.IDLE, State.DONE, State.STOPPED, State.FAILED)


@dataclass(frozen=True)
class Progress:
    """How far the fit is.

    Attributes
    ----------
    iteration, iterations : int
        Steps taken, and steps in all.
    rate : float
        Steps per second of the last few seconds.
    seconds_left : float
        nan while unknown.
    """

    iteration: int
    iterations: int
    rate: float = math.nan
    seconds_left: float = math.nan


@dataclass(frozen=True)
class CurvePoint:
    """What is known of one iteration; nan where it was not measured.

    Attributes
    ----------
    iteration : int
    psnr : float
        Of the reconstruction, dB.
    change : float
        Share of labels that changed per iteration.
    dice : float
        Mean foreground Dice with the reference, estimated on a sample of voxels.
    """

    iteration: int
    psnr: float = math.nan
    change: float = math.nan
    dice: float = math.nan


@dataclass(frozen=True)
class StructureRow:
    """One structure at the iteration that is shown.

    Attributes
    ----------
    id : int
        Label id.
    name : str
    color : tuple of int
        Red, green, blue, 0 to 255.
    volume : float
        mL.
    change : float
        Volume now minus volume at the iteration shown before, mL; nan at the first.
    dice : float
        With the reference; nan without one, or where the structure is in neither.
    """

    id: int
    name: str
    color: tuple[int, int, int]
    volume: float
    change: float = math.nan
    dice: float = math.nan


@dataclass(frozen=True)
class StructureTable:
    """All structures at one iteration.

    Attributes
    ----------
    iteration : int
    rows : tuple of StructureRow
        In the protocol's order.
    exact : bool
        Every voxel was counted; otherwise volumes and Dice are estimates from a sample.
    """

    iteration: int
    rows: tuple[StructureRow, ...]
    exact: bool
