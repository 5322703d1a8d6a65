"""The form offers what the viewer has, and remembers what was chosen."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QComboBox, QPushButton, QSpinBox, QToolButton, QWidget

from napari_metaseg import preferences
from napari_metaseg.panel.inputs import Inputs
from napari_metaseg.preferences import Preferences, load_preferences, save_preferences
from src_core.errors import InputError
from src_core.models.bundled import DEFAULT_MODEL, bundled_model_files, own_models_folder
from src_core.models.model import load_model
from tests.helpers.model_content import read_content, write_content

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = np.random.default_rng(0).random((4, 5, 6))
LABELS = np.ones((4, 5, 6), dtype=np.uint8)
LIVE = {"napari-metaseg-live": True}
DEFAULTS = {"model": DEFAULT_MODEL, "brain": "auto", "device": "auto", "force": False}
ROOT = Path(__file__).parents[3]
BUNDLED = bundled_model_files()[DEFAULT_MODEL]


@pytest.fixture(autouse=True)
def new_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered, and what is chosen lasts for one test only."""
    monkeypatch.setattr(preferences, "_this_session", Preferences())
    monkeypatch.delattr("napari.settings.get_plugin_settings", raising=False)


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def form(qtbot: Any) -> Callable[[Any], Inputs]:
    def open_form(viewer: Any) -> Inputs:
        widget = Inputs(viewer)
        qtbot.addWidget(widget)
        return widget

    return open_form


def field(form: QWidget, kind: type, name: str) -> Any:
    (found,) = (child for child in form.findChildren(kind) if child.accessibleName() == name)
    return found


def choose(form: Inputs, name: str, entry: str) -> None:
    box = field(form, QComboBox, name)
    box.setCurrentIndex(box.findText(entry))
    box.activated.emit(box.currentIndex())


def entries(form: Inputs, name: str) -> list[str]:
    box = field(form, QComboBox, name)
    return [box.itemText(index) for index in range(box.count())]


def another_model(path: Path, iterations: int = 50) -> Path:
    card, weights = read_content(BUNDLED)
    card["name"], card["fit"]["iterations"] = path.stem, iterations
    return write_content((card, weights), path)


def test_an_empty_viewer_has_no_scan(viewer: ViewerModel, form: Any) -> None:
    inputs = form(viewer)
    assert inputs.scan_layer is inputs.mask_layer is inputs.reference_layer is None


def test_images_are_scans_and_labels_are_masks_or_references(
    viewer: ViewerModel, form: Any
) -> None:
    scan = viewer.add_image(IMAGE, name="scan")
    brain = viewer.add_labels(LABELS, name="brain")
    inputs = form(viewer)
    assert inputs.scan_layer is scan
    assert entries(inputs, "Scan") == ["scan"]
    assert entries(inputs, "Brain mask") == [
        "Found when needed",
        "None: the scan is stripped",
        "Found by deepbet in any case",
        "brain",
    ]
    assert inputs.mask_layer is None
    choose(inputs, "Brain mask", "brain")
    assert inputs.mask_layer is brain
    assert inputs.reference_layer is None
    choose(inputs, "Reference", "brain")
    assert inputs.reference_layer is brain
    choose(inputs, "Brain mask", "None: the scan is stripped")
    assert inputs.mask_layer is None
    assert inputs.choices["brain"] == "stripped"


def test_a_mask_that_was_found_is_that_of_its_scan_alone(viewer: ViewerModel, form: Any) -> None:
    inputs = form(viewer)
    first = viewer.add_image(IMAGE, name="first")
    mask = viewer.add_labels(LABELS, name="brain of first")
    inputs.choose_found_mask(first, mask)
    assert inputs.mask_layer is mask
    second = viewer.add_image(IMAGE, name="second")
    assert inputs.scan_layer is second
    assert inputs.mask_layer is None
    assert inputs.choices["brain"] == "auto"
    choose(inputs, "Scan", "first")
    assert inputs.mask_layer is mask
    viewer.layers.remove(mask)
    assert inputs.choices["brain"] == "auto"
    viewer.layers.clear()
    assert inputs.scan_layer is None


def test_the_selected_image_is_the_scan_at_first(viewer: ViewerModel, form: Any) -> None:
    first = viewer.add_image(IMAGE)
    viewer.add_image(IMAGE)
    viewer.layers.selection.active = first
    assert form(viewer).scan_layer is first


def test_layers_of_the_plugin_itself_are_not_offered(viewer: ViewerModel, form: Any) -> None:
    scan = viewer.add_image(IMAGE, name="scan")
    inputs = form(viewer)
    viewer.add_image(IMAGE, name="reconstruction", metadata=LIVE)
    viewer.add_labels(LABELS, name="labels", metadata=LIVE)
    assert entries(inputs, "Scan") == ["scan"]
    assert entries(inputs, "Reference") == ["None"]
    assert inputs.scan_layer is scan


def test_a_new_image_is_taken_unless_one_was_chosen(
    viewer: ViewerModel, form: Any, qtbot: Any
) -> None:
    inputs = form(viewer)
    with qtbot.waitSignal(inputs.changed):
        first = viewer.add_image(IMAGE, name="first")
    second = viewer.add_image(IMAGE, name="second")
    assert inputs.scan_layer is second
    choose(inputs, "Scan", "first")
    viewer.add_image(IMAGE, name="third")
    assert inputs.scan_layer is first
    viewer.layers.remove(first)
    assert viewer.add_image(IMAGE, name="fourth") is inputs.scan_layer


def test_a_new_image_is_not_taken_while_a_fit_runs(viewer: ViewerModel, form: Any) -> None:
    scan = viewer.add_image(IMAGE)
    inputs = form(viewer)
    inputs.set_locked(True)
    viewer.add_image(IMAGE, name="another")
    assert not inputs.isEnabled()
    assert inputs.scan_layer is scan
    assert "another" in entries(inputs, "Scan")
    inputs.set_locked(False)
    assert inputs.isEnabled()


def test_choices_survive_renaming_reordering_and_removal_of_others(
    viewer: ViewerModel, form: Any
) -> None:
    other = viewer.add_image(IMAGE, name="other")
    scan = viewer.add_image(IMAGE, name="scan")
    brain = viewer.add_labels(LABELS, name="brain")
    inputs = form(viewer)
    choose(inputs, "Scan", "scan")
    choose(inputs, "Brain mask", "brain")
    scan.name = "renamed"
    viewer.layers.reverse()
    viewer.layers.remove(other)
    assert inputs.scan_layer is scan
    assert inputs.mask_layer is brain
    assert entries(inputs, "Scan") == ["renamed"]


def test_a_layer_that_was_removed_is_no_choice(viewer: ViewerModel, form: Any, qtbot: Any) -> None:
    viewer.add_image(IMAGE, name="scan")
    viewer.add_labels(LABELS, name="brain")
    inputs = form(viewer)
    choose(inputs, "Brain mask", "brain")
    with qtbot.waitSignal(inputs.changed):
        viewer.layers.remove("brain")
    assert inputs.mask_layer is None
    viewer.layers.clear()
    assert inputs.scan_layer is None


def test_layers_of_the_same_name_are_told_apart(viewer: ViewerModel, form: Any) -> None:
    viewer.add_image(IMAGE, name="scan")
    second = viewer.add_image(IMAGE, name="scan")
    inputs = form(viewer)
    assert inputs.scan_layer is second


def test_a_deleted_form_does_not_disturb_the_viewer(viewer: ViewerModel, qtbot: Any) -> None:
    inputs = Inputs(viewer)
    with qtbot.waitSignal(inputs.destroyed):
        inputs.deleteLater()
    viewer.add_image(IMAGE)
    viewer.layers.clear()


def test_quality_sets_the_number_of_iterations(viewer: ViewerModel, form: Any) -> None:
    inputs = form(viewer)
    assert inputs.choices == {**DEFAULTS, "iterations": None}
    number = field(inputs, QSpinBox, "Iterations")
    for preset, iterations, shown in (
        ("Fast", 52, 52),
        ("Fine", 260, 260),
        ("Balanced", None, 130),
    ):
        button = field(inputs, QPushButton, f"Quality {preset}")
        button.click()
        assert inputs.choices["iterations"] == iterations
        assert number.value() == shown
        assert button.isChecked()
        assert str(shown) in button.toolTip()


def test_a_number_of_iterations_makes_the_quality_custom(viewer: ViewerModel, form: Any) -> None:
    inputs = form(viewer)
    field(inputs, QSpinBox, "Iterations").setValue(77)
    assert inputs.choices["iterations"] == 77
    assert field(inputs, QPushButton, "Quality Custom").isChecked()
    assert not field(inputs, QPushButton, "Quality Balanced").isChecked()
    field(inputs, QPushButton, "Quality Fast").click()
    field(inputs, QPushButton, "Quality Custom").click()
    assert inputs.choices["iterations"] == 77


def test_device_and_iterations_are_behind_more(viewer: ViewerModel, form: Any) -> None:
    inputs = form(viewer)
    device = field(inputs, QComboBox, "Device")
    more = field(inputs, QToolButton, "More settings")
    assert not device.isVisibleTo(inputs)
    more.click()
    assert device.isVisibleTo(inputs)
    more.click()
    assert not device.isVisibleTo(inputs)
    field(inputs, QPushButton, "Quality Custom").click()
    assert device.isVisibleTo(inputs)


def test_choices_are_remembered(viewer: ViewerModel, form: Any, tmp_path: Path) -> None:
    inputs = form(viewer)
    choose(inputs, "Device", "CPU")
    field(inputs, QSpinBox, "Iterations").setValue(77)
    assert load_preferences() == Preferences(device="cpu", preset="Custom", iterations=77)
    assert form(viewer).choices == {**DEFAULTS, "iterations": 77, "device": "cpu"}


def test_another_model_can_be_chosen(
    viewer: ViewerModel, form: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    file = another_model(tmp_path / "mine.safetensors")
    inputs = form(viewer)
    field(inputs, QPushButton, "Quality Fine").click()
    model = field(inputs, QComboBox, "Model")
    monkeypatch.setattr(model, "_ask", lambda: str(file))
    with qtbot.waitSignal(inputs.changed):
        choose(inputs, "Model", "Choose a file…")
    assert inputs.choices == {**DEFAULTS, "model": str(file), "iterations": 100}
    assert model.currentText() == "mine"
    assert "mine" in model.toolTip()
    assert form(viewer).choices["model"] == str(file)
    file.unlink()
    assert form(viewer).choices["model"] == DEFAULT_MODEL


def test_own_models_are_offered(
    viewer: ViewerModel, form: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_METASEG_HOME", str(tmp_path))
    own_models_folder().mkdir()
    file = another_model(own_models_folder() / "mine.safetensors")
    (own_models_folder() / "damaged.safetensors").touch()
    inputs = form(viewer)
    assert entries(inputs, "Model")[-2:] == ["mine", "Choose a file…"]
    choose(inputs, "Model", "mine")
    assert form(viewer).choices["model"] == str(file)
    save_preferences(Preferences(model="mine"))  # by hand, as napari's preferences allow
    assert form(viewer).choices["model"] == str(file)


@pytest.mark.parametrize("answer", ["", "/no/such/file.safetensors"])
def test_the_model_stays_when_no_other_is_found(
    viewer: ViewerModel, form: Any, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    errors: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_error", errors.append)
    inputs = form(viewer)
    model = field(inputs, QComboBox, "Model")
    monkeypatch.setattr(model, "_ask", lambda: answer)
    choose(inputs, "Model", "Choose a file…")
    assert inputs.choices["model"] == model.currentText() == DEFAULT_MODEL
    assert bool(errors) == bool(answer)


def test_the_card_of_the_bundled_model_is_the_tooltip(viewer: ViewerModel, form: Any) -> None:
    inputs = form(viewer)
    text = field(inputs, QComboBox, "Model").toolTip()
    for part in (
        "skull-stripped",
        "134 structures",
        "3rd-Ventricle",
        "Weights",
        "0.799",
        "scans",
        "CC BY-NC",
    ):
        assert part in text


@pytest.mark.parametrize("content", [b"", b"text", struct.pack("<Q", 2) + b"[]", b"\xff" * 64])
def test_other_files_are_not_models(
    viewer: ViewerModel,
    form: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
) -> None:
    file = tmp_path / "other.safetensors"
    file.write_bytes(content)
    errors: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_error", errors.append)
    inputs = form(viewer)
    model = field(inputs, QComboBox, "Model")
    monkeypatch.setattr(model, "_ask", lambda: str(file))
    choose(inputs, "Model", "Choose a file…")
    assert inputs.choices["model"] == DEFAULT_MODEL
    with pytest.raises(InputError, match="damaged model file") as caught:
        load_model(file)
    assert errors == [str(caught.value)]


def test_an_unknown_setting_does_not_keep_the_form_from_opening(
    viewer: ViewerModel, form: Any
) -> None:
    save_preferences(Preferences(model="gone", device="abacus"))
    assert form(viewer).choices == {**DEFAULTS, "iterations": None}


def test_opening_the_form_does_not_load_torch() -> None:
    code = "import sys, napari_metaseg.panel.inputs as i; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_form_follows_a_real_viewer_in_its_dock(make_napari_viewer_proxy: Any) -> None:
    viewer = make_napari_viewer_proxy()
    inputs = Inputs(viewer)
    viewer.window.add_dock_widget(inputs, name="Form")
    viewer.add_image(IMAGE, name="scan")
    brain = viewer.add_labels(LABELS, name="brain")
    assert inputs.scan_layer == viewer.layers["scan"]
    choose(inputs, "Reference", "brain")
    brain.name = "manual"
    assert inputs.reference_layer == brain
    assert entries(inputs, "Reference") == ["None", "manual"]
    viewer.layers.remove("manual")
    assert inputs.reference_layer is None
    assert inputs.minimumSizeHint().width() <= 380
