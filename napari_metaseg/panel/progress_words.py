"""What the progress bar says of a run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_metaseg.run.status import State

if TYPE_CHECKING:
    from napari_metaseg.run.status import Progress

STAGES = {
    State.LOADING: "Loading…",
    State.EXTRACTING: "Finding the brain…",
    State.ALIGNING: "Aligning…",
    State.SEEING: "Looking at each voxel…",
    State.FINISHING: "Finishing…",
}
"""States in which nothing is counted."""


def words_of(state: State, progress: Progress | None, seconds: float = 0.0) -> str:
    """The state of a run that has lasted so long, for the progress bar."""
    if state in STAGES:
        return STAGES[state] + (f" {seconds:.0f} s" if seconds >= 1 else "")
    if progress is None:
        return "Fitting…" if state is State.FITTING else state.value.capitalize()
    if state is State.DONE:
        return f"Done after {progress.iteration} iterations"
    count = f"iteration {progress.iteration} of {progress.iterations}"
    if state is not State.FITTING:
        return f"{state.value.capitalize()} at {count}"
    return " · ".join([count.capitalize(), *_pace(progress)])


def _pace(progress: Progress) -> list[str]:
    parts = []
    if math.isfinite(progress.rate) and progress.rate > 0:
        slow = progress.rate < 1
        parts.append(f"{1 / progress.rate:.1f} s/it" if slow else f"{progress.rate:.1f} it/s")
    if math.isfinite(progress.seconds_left):
        parts.append(f"{_duration(progress.seconds_left)} left")
    return parts


def _duration(seconds: float) -> str:
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
