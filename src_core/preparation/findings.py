"""What a check of a scan or of its labels has found, told alike in report, window and terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

Limits = tuple[float | None, float | None]
"""Lowest and highest usual value; None: there is none."""


@dataclass(frozen=True)
class Finding:
    """What a check has found.

    Attributes
    ----------
    check : str
        Name of the check.
    value : float
        What was measured.
    limits : tuple of float or None
        Lowest and highest usual value; None: there is none.
    message : str
        One line: what is wrong, with its number, and what to do; empty if nothing is.
    grave : bool
        Whether the fault makes labels meaningless.
    """

    check: str
    value: float
    limits: Limits
    message: str = ""
    grave: bool = False

    def to_json(self) -> dict[str, Any]:
        """The finding as plain values that JSON can hold."""
        return {
            "value": round(self.value, 4) if math.isfinite(self.value) else None,
            "usual": list(self.limits),
            "message": self.message,
            "grave": self.grave,
        }


def finding(
    check: str, value: float, limits: Limits, message: str, beyond: Limits = (None, None)
) -> Finding:
    """What a check has found, by the limits of its value.

    Parameters
    ----------
    check : str
    value : float
        NaN passes: there was nothing to measure.
    limits : tuple of float or None
        Lowest and highest usual value.
    message : str
        For a value that is not usual.
    beyond : tuple of float or None
        Outside of these the fault is grave.

    Returns
    -------
    Finding
    """
    if not _outside(value, limits):
        return Finding(check, value, limits)
    return Finding(check, value, limits, message, grave=_outside(value, beyond))


def _outside(value: float, limits: Limits) -> bool:
    low, high = limits
    return bool((low is not None and value < low) or (high is not None and value > high))


class Findings(list[Finding]):
    """All that checks have found so far.

    Parameters
    ----------
    force : bool
        Take in grave faults too.
    """

    def __init__(self, force: bool):
        super().__init__()
        self._force = force

    def take(self, found: Iterable[Finding]) -> None:
        """Add what checks have found.

        Raises
        ------
        InputError
            A fault makes labels meaningless.
        """
        for one in found:
            if one.grave and not self._force:
                raise InputError(
                    f"{one.message}; force it to be segmented all the same", option="force"
                )
            self.append(one)


def messages(findings: Iterable[Finding]) -> tuple[str, ...]:
    """What is wrong, one line each."""
    return tuple(one.message for one in findings if one.message)
