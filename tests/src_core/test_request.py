"""The request of a segmentation: what it holds, and what it refuses."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from src_core.errors import InputError
from src_core.options import options_of
from src_core.request import Request
from src_core.segment import segment


def test_segment_takes_what_a_request_takes() -> None:
    asked, called = (inspect.signature(taker).parameters for taker in (Request, segment))
    assert list(called) == [*asked, "on_stage", "on_step"]
    for name in list(asked)[1:]:
        assert called[name].default == asked[name].default
        assert called[name].kind == asked[name].kind


def test_segment_documents_every_option() -> None:
    documented = inspect.getdoc(segment) or ""
    for one in options_of(Request).values():
        assert f"\n{one.numpydoc()}\n" in documented


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"iterations": -1}, "iterations must be 0 or more"),
        ({"threads": 0}, "threads must be 1 or more"),
    ],
)
def test_a_number_out_of_range_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Request("scan.nii", **options)


def test_a_request_stays_as_it_is() -> None:
    with pytest.raises(FrozenInstanceError):
        Request("scan.nii").seed = 1  # type: ignore[misc]


def test_asking_does_not_load_torch() -> None:
    code = "import sys, src_core.request as r; r.Request(''); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
