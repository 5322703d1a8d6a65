"""What is to be segmented, and how, where a window watches."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields

import numpy as np

from src_core import request

_LEFT_TO_THE_FIT = {"model", "reference", "iterations", "seed", "history_bytes"}
"""What a prepared scan does not depend on; of the model the file counts, not its name."""


@dataclass(frozen=True, eq=False)
class Request(request.Request):
    """What is to be segmented, and how, where a window watches.

    Attributes
    ----------
    history_bytes : int
        For the weights of past iterations.
    """

    _: KW_ONLY
    history_bytes: int = 128 * 2**20

    def prepares_like(self, other: Request) -> bool:
        """Whether what was prepared for another request will do, if the model is the same."""
        return all(
            _equal(getattr(self, field.name), getattr(other, field.name))
            for field in fields(self)
            if field.name not in _LEFT_TO_THE_FIT
        )


def _equal(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return one is other or (type(one) is type(other) and bool(one == other))
