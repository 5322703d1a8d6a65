"""Undo of what was painted in one of several views."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.key_bindings import coerce_keybinding

from napari_metaseg.layers.shared_undo import REDO, UNDO
from napari_metaseg.layers.views import Views

PLACES = ((1, 2, 3), (4, 5, 6), (7, 8, 9))


@pytest.fixture
def views() -> Views:
    """Three planes of one layer of labels that was painted on before, at the first place."""
    viewer = ViewerModel()
    viewer.add_labels(np.zeros((12, 14, 16), np.uint8), name="labels")
    viewer.layers["labels"].paint(PLACES[0], 1)
    views = Views(viewer)
    views.open_others()
    return views


def layers(views: Views):
    return views.all_of(views.main.layers["labels"])


def press(layer, key: str) -> None:
    own, of_kind = layer.keymap, type(layer).class_keymap
    binding = coerce_keybinding(key)
    (own.get(binding) or of_kind[binding])(layer)


def painted(views: Views) -> list[int]:
    data = views.main.layers["labels"].data
    return [int(data[place]) for place in PLACES]


@pytest.mark.parametrize("pressed", [0, 1, 2])
def test_the_keys_take_back_the_newest_wherever_they_are_pressed(views, pressed) -> None:
    layers(views)[1].paint(PLACES[1], 2)
    layers(views)[2].paint(PLACES[2], 3)
    states = [painted(views)]
    for _ in PLACES:
        press(layers(views)[pressed], UNDO)
        states.append(painted(views))
    assert states == [[1, 2, 3], [1, 2, 0], [1, 0, 0], [0, 0, 0]]
    for state in reversed(states[:-1]):
        press(layers(views)[pressed], REDO)
        assert painted(views) == state


def test_what_is_painted_after_an_undo_forgets_what_was_undone(views) -> None:
    layers(views)[1].paint(PLACES[1], 2)
    press(layers(views)[0], UNDO)
    layers(views)[2].paint(PLACES[2], 3)
    press(layers(views)[0], REDO)
    assert painted(views) == [1, 0, 3]


def test_a_layer_that_comes_later_shares_it_too_and_with_one_plane_napari_s_own_is_back(
    views,
) -> None:
    views.main.layers.remove("labels")
    views.main.add_labels(np.zeros((12, 14, 16), np.uint8), name="labels")
    layers(views)[2].paint(PLACES[0], 1)
    press(layers(views)[0], UNDO)
    assert painted(views) == [0, 0, 0]
    views.close_others()
    assert not views.main.layers["labels"].keymap
    layers(views)[0].paint(PLACES[0], 1)
    press(layers(views)[0], UNDO)
    assert painted(views) == [0, 0, 0]


def test_keys_that_do_something_else_are_left_alone(views) -> None:
    views.close_others()
    labels, pressed = views.main.layers["labels"], []
    labels.bind_key(UNDO, pressed.append)
    views.open_others()
    press(labels, UNDO)
    assert pressed == [labels]
    views.close_others()
    press(labels, UNDO)
    assert len(pressed) == 2
