"""The live labels painted on in place, stroke by stroke, with napari's own tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_metaseg.layers.brushed import Brushed
from napari_metaseg.layers.followed import Followed
from napari_metaseg.layers.label_style import color_of
from napari_metaseg.layers.positions import places_of, voxels_at
from napari_metaseg.layers.shared_undo import REDO, UNDO
from napari_metaseg.run.status import State
from napari_metaseg.run.table import structure_table
from src_core.correction.corrections_file import read_corrections
from src_core.correction.stroke import REACH, Stroke
from src_core.io.labels import Structure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_metaseg.layers.live_layers import LiveLayers
    from napari_metaseg.layers.paint import Paint
    from napari_metaseg.layers.views import Views
    from napari_metaseg.run.job import Job
    from napari_metaseg.run.status import StructureRow
    from src_core.correction.stroke import Locality

_RESTING = (State.PAUSED, State.DONE, State.STOPPED, State.FAILED)


class Correcting:
    """Takes up what is painted on the labels of a fit, and hands it to the job.

    Parameters
    ----------
    views : Views
    job : Job

    Attributes
    ----------
    on : bool
        Whether the labels can be painted on.
    locality : str
        How far the next strokes reach.
    """

    changed = Signal()  # whether it is on, or possible, or what is painted
    outlined = Signal(object)  # a layer that is nothing for people to do anything with
    unknown = Signal(int)  # a label was painted that no structure has

    def __init__(self, views: Views, job: Job):
        self.on = False
        self.locality: Locality = "structure"
        self._views = views
        self._job = job
        self._live: LiveLayers | None = None
        self._row: StructureRow | None = None  # to paint with once it is on
        self._followed = Followed(views.main)
        self._brushed = Brushed(self._hold)
        # Painted with labels that no structure has: places and labels.
        self._unnamed: list[tuple[np.ndarray, np.ndarray]] = []
        self._laid: tuple[object, ...] = ()
        job.strokes_changed.connect(self._lay_and_show)
        job.shown_changed.connect(self._on_shown)
        job.state_changed.connect(self._on_state)

    @property
    def possible(self) -> bool:
        """Whether there are labels that can be painted on now."""
        live, job = self._live, self._job
        return job.state in _RESTING and live is not None and live.session is job.session

    def take(self, live: LiveLayers | None) -> None:
        """Paint on the labels of another fit, or of none, from now on."""
        self.end()
        if self._live is not None:
            self._live.retold.disconnect(self._on_retold)
        self._live = live
        if live is not None:
            live.retold.connect(self._on_retold)
        self._unnamed.clear()
        self._followed.forget()
        self.changed.emit()

    def begin(self) -> None:
        """Have the labels painted on, in the protocol that the network was trained for."""
        live = self._live
        if self.on or not self.possible or live is None or live.labels is None:
            return
        self.on = True
        self._job.tell_in(live.session.prepared.model.finest().protocol.name)
        self._job.follow()
        outlines = self._followed.watch(live)
        if outlines is not None:
            self.outlined.emit(outlines)
        self._views.main.layers.selection.active = live.labels
        self._bind()
        self._allow_painting()
        self.changed.emit()

    def end(self) -> None:
        """Have the labels painted on no more; what was painted holds."""
        if not self.on:
            return
        self.take_up()
        self.on = False
        self._bind()
        self._allow_painting()
        self.changed.emit()

    def tick(self, drawing: bool) -> None:
        """Take up what was painted, unless the mouse is still at it."""
        if self.on and not drawing:
            self.take_up()
        self._followed.tick()

    def take_up(self) -> None:
        """Hand what was painted to the job."""
        paint, live = self._paint, self._live
        if not self.on or live is None or paint is None or not paint.is_new:
            return
        places, labels = paint.take()
        known = np.isin(labels, live.session.protocol.ids)
        asked = {int(label) for _, held in self._unnamed for label in held}
        if not known.all():
            self._unnamed.append((places[~known], labels[~known]))
        if known.any():
            self._hand_over(live, places[known], labels[known])
        for label in sorted({*labels[~known].tolist()} - asked):
            self.unknown.emit(label)

    def free_label(self) -> int | None:
        """A label for another structure; None if there is none left."""
        live = self._live
        if live is None or live.labels is None:
            return None
        used = live.session.learnt.ids
        largest = np.iinfo(live.labels.data.dtype).max
        free = np.setdiff1d(np.arange(1, largest + 1), used)
        above = free[free > used.max()]
        return int(next(iter((*above[:1], *free[:1])), 0)) or None

    def add_structure(self, structure: Structure) -> None:
        """Have one more structure to paint; what was painted with its label is taken up.

        Raises
        ------
        InputError
            Another structure has its id or its name.
        """
        self._job.strokes.add_structure(structure)
        unnamed, self._unnamed = self._unnamed, []
        for places, labels in unnamed:
            named = labels == structure.id
            if not named.all():
                self._unnamed.append((places[~named], labels[~named]))
            if named.any() and self._live is not None:
                self._hand_over(self._live, places[named], labels[named])
        if self._live is not None and self._live.labels is not None:
            self._live.labels.selected_label = structure.id

    def restore(self, path: Path) -> None:
        """Paint again what a file of corrections holds; what is wrong with it is told."""
        live = self._live
        if live is None:
            return
        scan, known = live.session.scan, live.session.learnt.structures

        def paint(found: tuple[Stroke, tuple[Structure, ...]]) -> None:
            stroke, named = found
            more = {structure.id: structure for structure in named}
            for label in np.setdiff1d(stroke.labels, live.session.learnt.ids).tolist():
                unnamed = Structure(label, f"Label {label}", color_of(label))
                self._job.strokes.add_structure(more.get(label, unnamed))
            self._job.strokes.paint(stroke)

        self._job.run(lambda: read_corrections(path, scan, known), paint)

    def paint_with(self, row: StructureRow | None) -> None:
        """Take the label of a row of the table for the brush, now or when it is on."""
        self._row = row
        if self._paint is not None and self._paint.wet:
            self._choose_label()

    @property
    def painting(self) -> str:
        """What the brush paints, for people."""
        live = self._live
        if live is None or live.labels is None:
            return ""
        label = int(live.labels.selected_label)
        return {0: "background", **_names(live)}.get(label, f"label {label}, a new structure")

    def refuse(self, label: int) -> None:
        """Take back what was painted with a label that no structure has."""
        self._unnamed = [
            (places[labels != label], labels[labels != label]) for places, labels in self._unnamed
        ]
        self._lay_and_show()

    @property
    def _paint(self) -> Paint | None:
        live = self._live
        return None if live is None or live.labels is None else live.labels.data.paint

    def _hold(self, places: np.ndarray, label: int) -> None:
        """Hold fast what a brush went over and what has its label there."""
        paint, live = self._paint, self._live
        if paint is None or not paint.wet or live is None or live.labels is None:
            return
        right = live.labels.data[tuple(places.T)] == label
        if label == 0:  # around the brain nothing is labelled in any case
            voxels = voxels_at(places, live.orientation, live.session.scan.shape)
            right &= live.session.prepared.mask[tuple(voxels.T)]
        paint.hold(places[right], label)

    def _hand_over(self, live: LiveLayers, places: np.ndarray, labels: np.ndarray) -> None:
        """Hand a stroke to the job."""
        voxels = voxels_at(places, live.orientation, live.session.scan.shape)
        self._job.strokes.paint(Stroke(voxels, labels, REACH[self.locality]))

    def _lay(self) -> None:
        """Lay over the pictures what they do not show yet, or never will."""
        paint, live, strokes = self._paint, self._live, self._job.strokes
        if paint is None or live is None or live.session is not self._job.session:
            return
        mask, shape = live.session.prepared.mask, live.session.scan.shape
        laid = []
        for stroke in strokes.in_force:
            outside = ~mask[tuple(stroke.voxels.T)]
            laid.append((stroke.voxels[outside], stroke.labels[outside]))
        laid += [(stroke.voxels, stroke.labels) for stroke in strokes.waiting]
        placed = [(places_of(voxels, live.orientation, shape), labels) for voxels, labels in laid]
        paint.lay((*placed, *self._unnamed))
        unnamed = tuple(id(labels) for _, labels in self._unnamed)
        self._laid = (paint, strokes.in_force, strokes.waiting, unnamed)

    def _lay_and_show(self) -> None:
        before = self._laid
        self._lay()
        if self._live is not None and self._laid != before:
            self._live.refresh_soon()

    def _on_label(self) -> None:
        self.changed.emit()

    def _on_shown(self) -> None:
        self._lay()  # the layers, which hear of it after this, are about to read themselves anew
        self._allow_painting()
        self._followed.compare(self._job.shown, self._job.strokes.iterations)

    def _on_retold(self) -> None:
        if not self._learnt_is_told:
            self.end()
        self._lay_and_show()
        self._allow_painting()

    @property
    def _learnt_is_told(self) -> bool:
        """Whether the labels are in the protocol that strokes are painted in."""
        live = self._live
        return live is not None and live.session.protocol.name == live.session.learnt.name

    def _on_state(self) -> None:
        if not self.possible:
            self.end()
        self.changed.emit()

    def _allow_painting(self) -> None:
        """Let the labels be painted on where strokes go on from; elsewhere they are history."""
        labels, paint = None if self._live is None else self._live.labels, self._paint
        if labels is None or paint is None:
            return
        going_on = self._job.strokes.go_on_from(self._job.shown)
        paint.wet = allowed = self.on and self._learnt_is_told and going_on
        if labels.editable != allowed:
            labels.editable = allowed
            if allowed:
                labels.mode = "paint"
                self._choose_label()

    def _choose_label(self) -> None:
        """Paint with the row that was chosen; never at first with a label that is no structure's.

        napari begins with 1, which only tissues have. The largest structure is as good as any.
        """
        live, row, self._row = self._live, self._row, None
        if live is None or live.labels is None:
            return
        names = _names(live)
        if row is not None and names.get(row.id) == row.name:
            live.labels.selected_label = row.id
        elif live.labels.selected_label not in names and self._job.shown is not None:
            table = structure_table(live.session, self._job.shown, None)
            rows = () if table is None else table.rows
            if rows:
                live.labels.selected_label = max(rows, key=lambda one: one.volume).id

    def _bind(self) -> None:
        """Follow the brush, and have napari's keys for undo and redo take strokes back."""
        labels, strokes = None if self._live is None else self._live.labels, self._job.strokes
        if labels is None:
            return
        keys: dict[str, Callable[[], None]] = {UNDO: strokes.undo, REDO: strokes.redo}
        for layer in self._views.all_of(labels):
            for key, do in keys.items():
                bound = (lambda _layer, do=do: do()) if self.on else None
                layer.bind_key(key, bound, overwrite=True)
            if self.on:
                layer.mouse_drag_callbacks.append(self._brushed)
            elif self._brushed in layer.mouse_drag_callbacks:
                layer.mouse_drag_callbacks.remove(self._brushed)
        if self.on:
            labels.events.selected_label.connect(self._on_label)
        else:
            labels.events.selected_label.disconnect(self._on_label)
            self._views.share_undo(labels)


def _names(live: LiveLayers) -> dict[int, str]:
    """Names of what can be painted, by label."""
    return {structure.id: structure.name for structure in live.session.learnt.structures}
