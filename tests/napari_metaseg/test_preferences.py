"""Settings outlast a session, and nothing that is stored can do harm."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from npe2 import PluginManifest

from napari_metaseg import preferences
from napari_metaseg.preferences import (
    Preferences,
    configurations,
    load_preferences,
    remember,
    save_preferences,
)

MANIFEST = Path(preferences.__file__).with_name("napari.yaml")
CHOSEN = Preferences("brain3d-tissue", "cpu", "tissue4", "Custom", 60, 64, 0.25, False)

pytest.importorskip("napari", "0.9", reason="napari keeps settings of plugins since 0.9")


@pytest.fixture
def file(
    plugin_settings: None, npe2pm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Where napari stores the settings; nothing is stored yet."""
    monkeypatch.setattr(preferences, "_this_session", Preferences())
    npe2pm.register(PluginManifest.from_file(MANIFEST))
    return tmp_path / "napari-metaseg.yaml"


def begin_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari.settings import _clear_plugin_settings_cache

    _clear_plugin_settings_cache()
    monkeypatch.setattr(preferences, "_this_session", Preferences())


def test_settings_are_there_in_the_next_session(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_preferences(CHOSEN)
    begin_a_session(monkeypatch)
    assert load_preferences() == CHOSEN


def test_a_change_on_the_preferences_page_is_seen(file: Path) -> None:
    from napari.settings import get_plugin_settings

    get_plugin_settings("napari-metaseg").view.opacity = 0.9
    assert load_preferences() == Preferences(opacity=0.9)


@pytest.mark.parametrize(
    "text",
    [
        "\0\1\2",
        "segmentation: {",
        "- a list",
        "just words",
        "segmentation: 5",
        "segmentation: {preset: Best, device: 7, iterations: -1, history_mb: .nan}",
        "view: {opacity: 1.5, neurological_view: maybe}",
    ],
)
def test_a_damaged_file_gives_the_defaults(file: Path, text: str) -> None:
    file.write_text(text)
    assert load_preferences() == Preferences()
    save_preferences(CHOSEN)
    assert load_preferences() == CHOSEN


def test_what_is_valid_in_a_damaged_file_is_kept(file: Path) -> None:
    file.write_text("segmentation: {preset: Best, device: cpu}")
    assert load_preferences() == Preferences(device="cpu")


def test_without_a_page_for_plugins_choices_last_for_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(preferences, "_this_session", Preferences())
    monkeypatch.delattr("napari.settings.get_plugin_settings")
    assert load_preferences() == Preferences()
    save_preferences(CHOSEN)
    assert load_preferences() == CHOSEN


def test_the_page_declares_every_setting_with_its_default_and_a_description() -> None:
    categories = PluginManifest.from_file(MANIFEST).contributions.configurations.values()
    declared = {name: value for page in categories for name, value in page.properties.items()}
    assert {name: entry.default for name, entry in declared.items()} == asdict(Preferences())
    assert all(entry.title and entry.description for entry in declared.values())
    kinds = {field.name: str(field.type) for field in fields(Preferences)}
    for name, entry in declared.items():
        assert entry.python_type.__name__ == kinds[name]
        if entry.python_type in (int, float):
            assert entry.minimum is not None
            assert entry.maximum is not None


@pytest.mark.parametrize("manifest", [MANIFEST, MANIFEST.parents[1] / "napari.yaml"])
def test_the_manifest_declares_what_the_fields_say(manifest: Path) -> None:
    declared = yaml.safe_load(manifest.read_text("utf-8"))["contributions"]["configurations"]
    # As text, because napari shows them in this order.
    assert str(declared) == str(configurations()), "run python scripts/write_manifest.py"


def test_what_is_chosen_is_remembered_beside_the_rest(file: Path) -> None:
    remember(device="cpu")
    remember(opacity=0.75)
    assert load_preferences() == Preferences(device="cpu", opacity=0.75)


def test_importing_loads_neither_napari_nor_qt() -> None:
    code = (
        "import sys, napari_metaseg.preferences;"
        "assert not {'napari', 'qtpy', 'torch'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
