"""Whoever ends waits for the layers that are being finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_metaseg.layers.retiring import Retiring

if TYPE_CHECKING:
    from collections.abc import Callable


class _Slow:
    """Layers that are finished when the test says so."""

    def retire(self, then: Callable[[], None], *, urgent: bool) -> None:
        self.urgent, self.finish = urgent, then


def test_all_layers_that_are_being_finished_are_waited_for() -> None:
    retiring, first, second = Retiring(), _Slow(), _Slow()
    ended: list[bool] = []
    retiring.begin(first, urgent=False)
    retiring.begin(second, urgent=True)
    retiring.when_done(lambda: ended.append(True))
    second.finish()
    assert ended == []
    first.finish()
    assert ended == [True]
    first.finish()
    assert ended == [True]


def test_without_any_nothing_is_waited_for() -> None:
    ended: list[bool] = []
    Retiring().when_done(lambda: ended.append(True))
    assert ended == [True]
