"""The switch between the protocols of one fit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton

from napari_metaseg.panel.granularity import Granularity
from napari_metaseg.run.job import Job
from src_core.io.protocols import granularities, protocol


def begin(job: Job, finest: str) -> Any:
    """Let a job have a session of a model whose labels are learnt in a protocol."""
    names = tuple(granularities(protocol(finest)))
    model = SimpleNamespace(protocols=names)
    job.session = SimpleNamespace(prepared=SimpleNamespace(model=model), protocol=protocol(finest))
    job.session_started.emit(job.session)
    return job.session


def test_a_model_of_parcels_offers_all_three(qtbot: Any) -> None:
    job = Job()
    switch = Granularity(job)
    qtbot.addWidget(switch)
    assert switch.isHidden()
    session = begin(job, "nm134")
    assert not switch.isHidden()
    buttons = switch.findChildren(QPushButton)
    assert [button.text() for button in buttons] == ["Tissues", "Structures", "Parcels"]
    assert [button.isChecked() for button in buttons] == [False, False, True]

    chosen: list[str] = []
    switch.chosen.connect(chosen.append)
    qtbot.mouseClick(buttons[0], Qt.MouseButton.LeftButton)
    assert chosen == ["tissue4"]
    session.protocol = protocol("fs32")
    job.labels_changed.emit()
    assert [button.isChecked() for button in buttons] == [False, True, False]


def test_a_model_of_tissues_leaves_no_choice(qtbot: Any) -> None:
    job = Job()
    switch = Granularity(job)
    qtbot.addWidget(switch)
    begin(job, "nm134")
    begin(job, "tissue4")
    assert switch.isHidden()
    begin(job, "fs32")
    assert not switch.isHidden()
    job.forget_scan()
    job.iterations_changed.emit()
    assert switch.isHidden()
