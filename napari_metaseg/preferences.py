"""Settings that outlast a session, kept on the page that napari gives its plugins."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from src_core.options import dataclass_of, option, options_of
from src_core.request import Request

if TYPE_CHECKING:
    from src_core.options import Option


CUSTOM = "Custom"
FINEST = "finest"
PRESETS = {"Fast": 0.4, "Balanced": 1.0, "Fine": 2.0}
"""Multiples of the iterations that the model's card recommends."""

_remembered: Any = dataclass_of(one for one in options_of(Request).values() if one.remembered)
_OF_THE_VIEW = ("opacity", "neurological_view")
_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclass(frozen=True)
class Preferences(_remembered):
    """What the user chose last: the remembered options of a request, and what follows.

    ``napari.yaml`` declares each of them, as `configurations` says.

    Attributes
    ----------
    protocol : {"finest", "nm134", "fs32", "tissue4"}
    preset : {"Fast", "Balanced", "Fine", "Custom"}
    iterations : int
    history_mb : int
    opacity : float
    neurological_view : bool
        Whether the patient's right is drawn on the right.
    """

    protocol: str = option(
        FINEST,
        title="Labels",
        choices={
            FINEST: "as fine as the model can",
            "nm134": "parcels",
            "fs32": "structures",
            "tissue4": "tissues",
        },
        help="What labels of a fit are told as at first, where the model knows it: the finest it "
        "knows, 134 parcels, 32 structures or 4 tissues.",
    )
    preset: str = option(
        "Balanced",
        title="Quality",
        choices={preset: preset for preset in (*PRESETS, CUSTOM)},
        help='How long to fit. "Custom" takes the number of iterations below.',
    )
    iterations: int = option(
        130,
        title="Iterations",
        least=1,
        most=5000,
        help='Number of iterations of the quality "Custom".',
    )
    history_mb: int = option(
        128,
        title="Memory for past iterations (MB)",
        least=16,
        most=8192,
        help="Once it is full, every other past iteration is dropped.",
    )
    opacity: float = option(
        0.5,
        title="Opacity of the labels",
        least=0,
        most=1,
        help="From 0 (invisible) to 1 (opaque).",
    )
    neurological_view: bool = option(
        True,
        title="Neurological view",
        help="Draw the patient's right on the right; otherwise on the left (radiological).",
    )


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


def remember(**changes: Any) -> None:
    """Change some of the settings that are remembered."""
    save_preferences(replace(load_preferences(), **changes))


def configurations() -> dict[str, Any]:
    """The settings as ``napari.yaml`` declares them; `scripts/write_manifest.py` writes it."""
    entries = {name: _entry(one) for name, one in options_of(Preferences).items()}
    view = {name: entries.pop(name) for name in _OF_THE_VIEW}
    return {
        "segmentation": {"title": "Segmentation", "properties": entries},
        "view": {"title": "View", "properties": view},
    }


def _entry(one: Option) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "title": one.title,
        "type": _JSON_TYPES[one.kind],
        "default": one.default,
    }
    if one.choices:
        entry["enum"] = list(one.choices)
    if one.least is not None:
        entry["minimum"] = one.least
    if one.most is not None:
        entry["maximum"] = one.most
    return {**entry, "description": one.help}


def _categories() -> tuple[Any, ...]:
    """The settings as napari holds them; it writes its file at every change."""
    from napari.settings import get_plugin_settings

    stored: Any = get_plugin_settings("napari-metaseg")
    return stored.segmentation, stored.view
