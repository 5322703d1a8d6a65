"""How scans are changed at random."""

from __future__ import annotations

import pytest

from src_core.errors import InputError
from src_core.training.changes.settings import AugmentSettings


@pytest.mark.parametrize("wrong", [{"elastic": 1.5}, {"ageing": -0.1}, {"gamma_range": (2, 1)}])
def test_impossible_settings_are_refused(wrong) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        AugmentSettings(**wrong)
