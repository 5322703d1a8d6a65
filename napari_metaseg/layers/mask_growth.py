"""What was painted outside the brain mask, and a mask that grows there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from src_core.preparation.brain import with_surroundings

if TYPE_CHECKING:
    from napari_metaseg.run.job import Job
    from napari_metaseg.run.session import Session
    from src_core.correction.stroke import Stroke


class MaskGrowth:
    """A brain mask that grows where strokes lie outside it, and the strokes until the next fit.

    A grown mask takes another fit: how the intensities of all points are normalised, and which
    points there are, depends on it. The strokes go on to that fit.

    Parameters
    ----------
    job : Job
    """

    def __init__(self, job: Job):
        self._job = job
        self._left: tuple[Session, tuple[Stroke, ...]] | None = None
        job.session_started.connect(self._on_session)

    @property
    def outside(self) -> np.ndarray:
        """Voxels (n, 3) outside the brain mask that are painted as a structure."""
        session = self._job.session
        if session is None:
            return np.zeros((0, 3), int)
        painted = np.zeros((0, 4), int)
        for stroke in self._strokes:
            beyond = ~session.prepared.mask[tuple(stroke.voxels.T)]
            both = np.column_stack([stroke.voxels[beyond], stroke.labels[beyond]])
            painted = np.concatenate([both, painted])  # the latest first
        _, first = np.unique(painted[:, :3], axis=0, return_index=True)
        latest = painted[first]
        return latest[latest[:, 3] > 0, :3]

    def grow(self) -> np.ndarray | None:
        """The mask with what is painted outside it and its surroundings; None without a fit.

        The strokes are painted again on the next fit if that is of the same scan.
        """
        session = self._job.session
        if session is None:
            return None
        self._left = session, self._strokes
        mask, size = session.prepared.mask, session.scan.voxel_size
        return with_surroundings(mask, self.outside, size)

    @property
    def _strokes(self) -> tuple[Stroke, ...]:
        return (*self._job.strokes.in_force, *self._job.strokes.waiting)

    def _on_session(self, session: Session) -> None:
        left, self._left = self._left, None
        if left is None:
            return
        before, strokes = left
        same_model = before.prepared.model.sha256 == session.prepared.model.sha256
        if same_model and np.array_equal(before.scan.voxels, session.scan.voxels):
            for structure in before.added:
                self._job.strokes.add_structure(structure)
            self._job.strokes.paint(*strokes)
