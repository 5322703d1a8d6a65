"""One segmentation as the panel sees it: its state, its progress, and what can be asked of it.

A job knows neither Qt nor napari. Its signals are emitted from `Job.poll` and from the methods
below, so always in the thread that calls them: the GUI's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from psygnal import Signal


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


class Job:
    """A fit of one scan, and the view of its iterations.

    Attributes
    ----------
    state : State
    progress : Progress or None
    curve : list of CurvePoint
        One per iteration so far, rising.
    iterations : tuple of int
        Stored iterations, rising: those that can be shown.
    suggested : int or None
        The iteration that is taken unless the user chooses another.
    shown : int or None
        The iteration on the screen.
    following : bool
        Whether the newest iteration is shown as soon as there is one.
    table : StructureTable or None
        Of the iteration on the screen.
    device : str
        Where it computes, for people, such as "CPU, 2 threads"; empty while unknown.
    notes : tuple of str
        What the user should know about the scan or the machine.
    """

    state_changed = Signal(State)
    progressed = Signal()  # progress and curve
    iterations_changed = Signal()  # iterations and suggested
    shown_changed = Signal()  # shown
    following_changed = Signal(bool)
    table_changed = Signal()  # table
    failed = Signal(str)  # what went wrong and what to do

    def __init__(self) -> None:
        self.state = State.IDLE
        self.progress: Progress | None = None
        self.curve: list[CurvePoint] = []
        self.iterations: tuple[int, ...] = ()
        self.suggested: int | None = None
        self.shown: int | None = None
        self.following = True
        self.table: StructureTable | None = None
        self.device = ""
        self.notes: tuple[str, ...] = ()

    def pause(self) -> None:
        """Rest after the step under way."""

    def resume(self) -> None:
        """Go on with the fit."""

    def stop(self) -> None:
        """End the fit after the step under way; what there is is kept."""

    def show(self, iteration: int) -> None:
        """Show the stored iteration nearest to this one as soon as it is decoded.

        Ends the following of the newest one, unless it is the newest.
        """

    def follow(self) -> None:
        """Show the newest iteration, now and from now on."""
