"""Files of examples."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from src_core.errors import InputError
from src_core.training.examples.store import load_examples

if TYPE_CHECKING:
    from pathlib import Path


def assert_same(one: object, other: object) -> None:
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor | np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif hasattr(one, "__dataclass_fields__"):
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    else:
        assert one == other


@pytest.mark.parametrize("variant", [0, 3])
def test_examples_come_out_of_their_file_as_they_were_made(
    maker, scans, tmp_path: Path, variant: int
) -> None:
    path = tmp_path / "examples" / "s0.pt"
    made = maker.make(scans[0], variant)
    load_examples(path, lambda: made)
    (example,) = load_examples(path, lambda: pytest.fail("made again"))
    assert_same(example, made[0])


def test_a_file_holds_nothing_but_tensors_and_plain_values(maker, scans, tmp_path: Path) -> None:
    load_examples(tmp_path / "s0.pt", lambda: maker.make(scans[0], 0))
    (values,) = torch.load(tmp_path / "s0.pt", weights_only=True)
    assert {type(value) for value in values.values()} <= {
        str,
        int,
        float,
        bool,
        tuple,
        torch.Tensor,
    }


def test_examples_of_an_earlier_version_are_refused(maker, scans, tmp_path: Path) -> None:
    """They were pickled objects."""
    (folder := tmp_path / "examples").mkdir()
    torch.save(maker.make(scans[0], 0), folder / "s0-0.pt")
    with pytest.raises(InputError, match=r"s0-0.pt is of an earlier version.*; delete the folder"):
        load_examples(folder / "s0-0.pt", lambda: pytest.fail("made again"))
