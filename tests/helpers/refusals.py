"""What is said of a file that is no usable scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src_core.errors import InputError
from src_core.io.scan import read_scan

if TYPE_CHECKING:
    from pathlib import Path


def refusal(path: Path) -> str:
    """The one line with which reading it as a scan is refused."""
    with pytest.raises(InputError) as caught:
        read_scan(path)
    message = str(caught.value)
    assert "\n" not in message
    return message
