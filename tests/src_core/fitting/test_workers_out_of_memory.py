"""A graphics card that is too small: smaller pieces, then a line that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from src_core.errors import InputError, explain
from src_core.fitting.decode import decode
from src_core.fitting.fit import Fit
from src_core.fitting.settings import FitSettings
from src_core.fitting.workers import Workers
from src_core.networks.settings import SirenSettings
from src_core.networks.sine import CHUNK
from src_core.networks.siren import SirenNetwork
from tests.helpers.pretend_device import DEVICE, PretendDevice

if TYPE_CHECKING:
    from src_core.networks.base import CoordinateNetwork
    from src_core.space.points import BrainPoints

FIT = FitSettings(iterations=3, points=3 * CHUNK, look_every=0)


def new_network() -> SirenNetwork:
    torch.manual_seed(0)
    return SirenNetwork(SirenSettings(3, width=8, depth=2, hidden=()))


@pytest.fixture
def asked_for() -> list[int]:
    """Points of each call of a network."""
    return []


def limit(monkeypatch: pytest.MonkeyPatch, most: int, asked_for: list[int]) -> None:
    """Let a network fail at more points than its card holds."""
    activations = SirenNetwork.activations

    def limited(network: SirenNetwork, positions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        asked_for.append(len(positions))
        if len(positions) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return activations(network, positions)

    monkeypatch.setattr(SirenNetwork, "activations", limited)


def fitted(network: CoordinateNetwork, points: BrainPoints) -> list[float]:
    return [step.loss for step in Fit(network, points, FIT)]


def test_a_fit_goes_on_in_small_pieces_to_the_same_result(
    points: BrainPoints, monkeypatch: pytest.MonkeyPatch, asked_for: list[int]
) -> None:
    wanted = fitted(new_network(), points)
    limit(monkeypatch, CHUNK, asked_for)
    with PretendDevice():
        found = fitted(new_network().to(DEVICE), points.to(DEVICE))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    # Once in one piece; afterwards nobody tries again.
    assert asked_for == [FIT.points, *[CHUNK] * 3 * FIT.iterations]


def test_decoding_goes_on_in_small_pieces_to_the_same_result(
    points: BrainPoints, monkeypatch: pytest.MonkeyPatch, asked_for: list[int]
) -> None:
    wanted = decode(new_network(), points, "intensity")
    limit(monkeypatch, CHUNK, asked_for)
    with PretendDevice():
        found = decode(new_network().to(DEVICE), points.to(DEVICE), "intensity")
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert sum(size > CHUNK for size in asked_for) == 1


def test_a_card_too_small_for_anything_is_told(
    points: BrainPoints, monkeypatch: pytest.MonkeyPatch, asked_for: list[int]
) -> None:
    limit(monkeypatch, 10, asked_for)
    with PretendDevice():
        network, there = new_network().to(DEVICE), points.to(DEVICE)
        for work in (lambda: fitted(network, there), lambda: decode(network, there, "intensity")):
            with pytest.raises(InputError, match="memory of the graphics card is full") as caught:
                work()
            assert "--" not in str(caught.value)
            assert explain(caught.value, "--{}".format).endswith("on the CPU (--device cpu)")


@pytest.mark.parametrize(
    ("device", "error"),
    [
        (torch.device("cpu"), RuntimeError("CUDA out of memory.")),
        (DEVICE, RuntimeError("another fault")),
    ],
)
def test_other_errors_come_as_they_are(device: torch.device, error: RuntimeError) -> None:
    calls = []

    def work(size: int) -> None:
        calls.append(size)
        raise error

    with pytest.raises(RuntimeError) as caught:
        Workers(device).in_pieces(work)
    assert caught.value is error
    assert len(calls) == 1
