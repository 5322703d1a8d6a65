"""Intensity rules that are measured on scans."""

from __future__ import annotations

import numpy as np

from src_core.space.slices import SliceRange
from src_core.training.changes.settings import SliceSettings
from src_core.training.examples.rules import slice_rule, volume_rule

CORONAL = SliceSettings(SliceRange("y", (-40.0, 20.0)), count=3)


def test_a_slice_is_as_bright_as_in_its_volume(scans, template) -> None:
    volumes = volume_rule(scans)
    slices = slice_rule(scans, volumes, template, CORONAL)
    assert list(slices.goals) == sorted(slices.goals)
    np.testing.assert_allclose(slices.goals, volumes.goals, atol=0.15)
