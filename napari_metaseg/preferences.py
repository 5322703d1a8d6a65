"""Settings that outlast a session, kept on the page that napari gives its plugins."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from src_core.models.bundled import DEFAULT_MODEL


@dataclass(frozen=True)
class Preferences:
    """What the user chose last; every field is declared in ``napari.yaml`` too.

    Attributes
    ----------
    model : str
        Name of a bundled model, or the path of a model file.
    device : {"auto", "cpu", "cuda", "mps"}
    preset : {"Fast", "Balanced", "Fine", "Custom"}
    iterations : int
        Used with the preset Custom.
    history_mb : int
        Most memory that the weights of past iterations may take, MB.
    opacity : float
        Of the labels, 0 to 1.
    neurological_view : bool
        Whether the patient's right is drawn on the right.
    """

    model: str = DEFAULT_MODEL
    device: str = "auto"
    preset: str = "Balanced"
    iterations: int = 130
    history_mb: int = 128
    opacity: float = 0.5
    neurological_view: bool = True


_this_session = Preferences()


def load_preferences() -> Preferences:
    """Read the settings; those of this session where napari keeps none or can't read them."""
    try:
        return Preferences(
            **{
                name: getattr(category, name)
                for category in _categories()
                for name in type(category).model_fields
            }
        )
    except Exception:  # whatever is wrong with a stored file must not keep the panel from opening
        return _this_session


def save_preferences(preferences: Preferences) -> None:
    """Remember the settings; only for this session where napari can't keep them."""
    global _this_session
    _this_session = preferences
    with contextlib.suppress(Exception):  # napari before 0.9, or a folder that can't be written
        for category in _categories():
            for name in type(category).model_fields:
                setattr(category, name, getattr(preferences, name))


def _categories() -> tuple[Any, ...]:
    """The settings as napari holds them; it writes its file at every change."""
    from napari.settings import get_plugin_settings

    stored: Any = get_plugin_settings("napari-metaseg")
    return stored.segmentation, stored.view
