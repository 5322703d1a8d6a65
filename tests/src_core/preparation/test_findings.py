"""What a check has found: nothing, something to know, or what makes labels meaningless."""

from __future__ import annotations

import json
import math

import pytest

from src_core.errors import InputError
from src_core.preparation.findings import Findings, finding, messages

USUAL = finding("size", 5, (4, 6), "too small", beyond=(1, 9))
SMALL = finding("size", 3, (4, 6), "too small", beyond=(1, 9))
TINY = finding("size", 0.5, (4, 6), "far too small", beyond=(1, 9))


def test_only_what_is_not_usual_has_a_message() -> None:
    assert messages([USUAL, SMALL, TINY]) == ("too small", "far too small")
    assert [one.grave for one in (USUAL, SMALL, TINY)] == [False, False, True]


@pytest.mark.parametrize(
    ("value", "limits", "unusual"),
    [
        (7, (None, 6), True),
        (7, (4, None), False),
        (1, (None, 6), False),
        (math.nan, (4, 6), False),
    ],
)
def test_a_limit_may_be_missing_and_a_value_too(value, limits, unusual) -> None:
    found = finding("size", value, limits, "wrong", beyond=limits)
    assert (bool(found.message), found.grave) == (unusual, unusual)


def test_grave_faults_are_refused_unless_forced() -> None:
    with pytest.raises(InputError, match="far too small; force it to be segmented all the same"):
        Findings(force=False).take([SMALL, TINY])
    forced = Findings(force=True)
    forced.take([USUAL])
    forced.take([SMALL, TINY])
    assert forced == [USUAL, SMALL, TINY]


def test_json_holds_the_number_also_where_it_is_usual() -> None:
    assert json.loads(json.dumps(USUAL.to_json())) == {
        "value": 5,
        "usual": [4, 6],
        "message": "",
        "grave": False,
    }
    assert finding("size", math.nan, (4, 6), "").to_json()["value"] is None
