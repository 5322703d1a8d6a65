"""What a job tells of itself: plain values for the panel to show, and signals of their changes."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import Enum

from psygnal import Signal

from napari_metaseg.run.session import Session


class State(Enum):
    """Where a job stands."""

    IDLE = "idle"
    LOADING = "loading"
    EXTRACTING = "finding the brain"
    ALIGNING = "aligning"
    SEEING = "looking at each voxel"
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
    group : str
        What it is listed under; may be empty.
    """

    id: int
    name: str
    color: tuple[int, int, int]
    volume: float
    change: float = math.nan
    dice: float = math.nan
    group: str = ""


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
    before : int or None
        The iteration that changes are counted from.
    """

    iteration: int
    rows: tuple[StructureRow, ...]
    exact: bool
    before: int | None = None


class Status:
    """All that is known of a job in the window's thread.

    The signals say what has changed; they are emitted in the window's thread only.

    Attributes
    ----------
    state : State
    since : float
        When that began, by `time.monotonic`.
    session : Session or None
        The scan at work, from its first picture on.
    progress : Progress or None
    curve : list of CurvePoint
        One per iteration so far, rising.
    iterations : tuple of int
        Stored iterations, rising: those that can be shown.
    suggested : int or None
        The iteration that is taken unless the user chooses another.
    shown : int or None
        The iteration on the screen.
    wanted : int or None
        The iteration that the user asked for; on the screen as soon as it is decoded.
    following : bool
        Whether the newest iteration is shown as soon as there is one.
    table : StructureTable or None
        The structures at the iteration on the screen.
    device : str
        Where it computes, for people, such as "CPU, 2 threads"; empty while unknown.
    notes : tuple of str
        What the user should know about the scan.
    failure : str
        What went wrong last, and what to do; empty if nothing did.
    """

    state_changed = Signal(State)
    session_started = Signal(Session)  # there is a first picture of a new scan
    progressed = Signal()  # progress and curve
    iterations_changed = Signal()  # iterations and suggested
    shown_changed = Signal()  # shown
    sharpened = Signal()  # there is more to see of the iteration that is shown
    following_changed = Signal(bool)
    table_changed = Signal()  # table
    labels_changed = Signal()  # the protocol in which the session tells its labels
    strokes_changed = Signal()  # what was painted, and what of it is learned
    device_changed = Signal()  # device and notes
    failed = Signal(str)  # what went wrong and what to do

    def __init__(self) -> None:
        self.state = State.IDLE
        self.since = time.monotonic()
        self.device = ""
        self.forget_scan()

    def forget_scan(self) -> None:
        """Forget all that was known of a scan."""
        self.session: Session | None = None
        self.progress: Progress | None = None
        self.curve: list[CurvePoint] = []
        self.iterations: tuple[int, ...] = ()
        self.suggested: int | None = None
        self.shown: int | None = None
        self.wanted: int | None = None
        self.following = True
        self.table: StructureTable | None = None
        self.notes: tuple[str, ...] = ()
        self.failure = ""

    def silence(self) -> None:
        """Tell nobody of changes any more: who listens is about to go."""
        for name, value in vars(Status).items():
            if isinstance(value, Signal):
                getattr(self, name).disconnect()

    def change_state(self, state: State) -> None:
        """Be in another state, and say so."""
        if state is not self.state:
            self.state = state
            self.since = time.monotonic()
            self.state_changed.emit(state)

    def change_following(self, following: bool) -> None:
        """Follow the newest iteration or not, and say so."""
        if following != self.following:
            self.following = following
            self.following_changed.emit(following)

    def change_table(self, table: StructureTable | None) -> None:
        """Show another table, and say so."""
        if table != self.table:
            self.table = table
            self.table_changed.emit()

    def emit_all(self) -> None:
        """Say that everything may have changed."""
        for signal in (
            self.progressed,
            self.iterations_changed,
            self.shown_changed,
            self.table_changed,
            self.device_changed,
        ):
            signal.emit()
        self.following_changed.emit(self.following)
