"""A training on own scans in a process of its own."""

from __future__ import annotations

import json
import time

import pytest

from napari_metaseg.run import own_training
from napari_metaseg.run.own_training import OwnTraining, main, output_for
from src_core.adaptation.adapt import Adapted, LeftOut, Progress
from src_core.models.bundled import own_models_folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_METASEG_HOME", str(tmp_path))


def told_by(training: OwnTraining, seconds: float = 60) -> list[dict]:
    """All that a training tells until it ends."""
    told, until = [], time.monotonic() + seconds
    while training.running and time.monotonic() < until:
        told += training.poll()
        time.sleep(0.01)
    return told


def test_what_is_wrong_is_told_from_the_process(tmp_path) -> None:
    training = OwnTraining("brain3d-tissue", tmp_path / "none", output_for("brain3d-tissue"), "cpu")
    (told,) = told_by(training)
    assert "no corrected scans" in told["failed"]


def test_a_process_that_breaks_is_told_with_its_last_words(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(own_training, "__name__", "napari_metaseg.no_such_module")
    (told,) = told_by(OwnTraining("any", tmp_path, tmp_path / "mine.safetensors", "cpu"))
    assert "no_such_module" in told["failed"]


def test_a_process_that_is_stopped_tells_nothing_more(tmp_path) -> None:
    training = OwnTraining("brain3d-tissue", tmp_path, tmp_path / "mine.safetensors", "cpu")
    training.stop()
    assert not training.running
    assert training.poll() == []


def test_each_step_and_the_end_are_lines(tmp_path, monkeypatch, capsys) -> None:
    output = tmp_path / "models" / "mine.safetensors"

    def adapt(*_, on_progress, work, **__) -> Adapted:
        work.mkdir()
        on_progress(Progress("head", 1, 2, {"loss": 0.5}))
        return Adapted(output, 2, LeftOut("p1", 0.5, 0.75), ("a note",))

    monkeypatch.setattr("src_core.adaptation.adapt.adapt", adapt)
    monkeypatch.setattr("os.nice", lambda _: None, raising=False)
    main(["brain3d-tissue", str(tmp_path), str(output), "cpu"])
    progress, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert progress["progress"]["figures"] == {"loss": 0.5}
    assert end["adapted"]["output"] == str(output)
    assert end["adapted"]["left_out"]["after"] == 0.75
    assert not list(output.parent.iterdir())


def test_no_model_takes_the_place_of_another(tmp_path) -> None:
    first = output_for("brain3d-fs32")
    assert first == own_models_folder() / "brain3d-fs32-adapted.safetensors"
    first.parent.mkdir()
    first.touch()
    assert output_for("brain3d-fs32").stem == "brain3d-fs32-adapted-2"
    assert output_for(str(first)).stem == "brain3d-fs32-adapted-2"
