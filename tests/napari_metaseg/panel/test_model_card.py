"""What the panel shows of a model's card."""

from __future__ import annotations

from dataclasses import replace

from napari_metaseg.panel.model_card import summary
from src_core.models.bundled import bundled_model_files
from src_core.models.model_file import read_model_file


def test_a_summary_tells_what_helps_to_choose() -> None:
    card = read_model_file(bundled_model_files()["brain3d-fs32"]).card
    text = summary(card)
    for part in ("skull-stripped", "32 structures", "and 24 more", "0.885 on", "Licence: CC BY-NC"):
        assert part in text
    assert f"{card.size:,}" in text
    assert "Neuromorphometrics" not in text


def test_an_untrained_model_has_the_structures_that_are_painted() -> None:
    text = summary(read_model_file(bundled_model_files()["untrained"]).card)
    assert "Structures: those that you add and paint" in text
    assert "Mean Dice" not in text
    assert "Trained on" not in text


def test_what_the_card_does_not_say_is_left_out() -> None:
    card = read_model_file(bundled_model_files()["brain3d-fs32"]).card
    text = summary(replace(card, training={}, scores={}, name="<b>"))
    assert "Mean Dice" not in text
    assert "Trained on" not in text
    assert "&lt;b&gt;" in text
