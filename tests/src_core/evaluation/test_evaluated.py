"""Models with their scores, and how two are compared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from src_core.evaluation.evaluated import distinct_names, paired_test
from src_core.models.model import Model, load_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


def test_a_paired_test_says_what_is_known_and_what_is_not() -> None:
    subjects = "abcdef"
    low = {subject: 0.8 + 0.01 * i for i, subject in enumerate(subjects)}
    high = {subject: value + 0.02 + 0.001 * i for i, (subject, value) in enumerate(low.items())}
    test = paired_test(high, low)
    assert test.subjects == 6
    assert test.difference == pytest.approx(0.0225)
    assert 0.02 <= test.low < test.difference < test.high <= 0.025
    assert test.p == pytest.approx(2 / 2**6)
    assert paired_test(low, low).p == 1
    assert paired_test(high, {"a": 0.8, "z": 0.1}).subjects == 1


def test_models_of_one_name_are_told_apart(model: Model) -> None:
    other = replace(model, sha256="f" * 64)
    assert distinct_names([model]) == ["tiny"]
    assert distinct_names([model, other]) == [f"tiny ({model.sha256[:8]})", "tiny (ffffffff)"]
