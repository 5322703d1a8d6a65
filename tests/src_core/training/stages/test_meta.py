"""Meta-learning of a start: inner loop, outer loop, learned step sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch.func import functional_call

from src_core.errors import InputError
from src_core.fitting.adam import Adam
from src_core.fitting.fit import Fit
from src_core.fitting.settings import FitSettings
from src_core.networks.settings import SirenSettings
from src_core.networks.siren import SirenNetwork
from src_core.space.points import BrainPoints, Points
from src_core.training.settings import LoopSettings, MetaSettings
from src_core.training.stages.meta import Objective, adapt, meta_train

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = MetaSettings(inner_steps=3, inner_rate=1e-3)
LOOP = LoopSettings(steps=50, scans=2, points=128, rate=1e-4)
"""Short, with steps that one sees."""


def new_network(learned_rates: str = "none") -> SirenNetwork:
    torch.manual_seed(0)
    settings = SirenSettings(
        3, width=24, depth=3, hidden=(16,), weight_rate=1e-3, learned_rates=learned_rates
    )
    return SirenNetwork(settings)


@pytest.fixture
def examples(points: BrainPoints) -> list[tuple[BrainPoints, torch.Tensor]]:
    """Two scans of one brain, one of them dark; the bright half of each is one class."""
    intensity = points.seen[:, 0].float()
    classes = (intensity > intensity.median()).to(torch.uint8) + 1
    return [(points, classes), (replace(points, seen=points.seen * 0.7), classes)]


def batches(examples, count: int) -> list[tuple[Points, torch.Tensor]]:
    points, classes = examples[0]
    parts = [slice(n * 200, (n + 1) * 200) for n in range(count)]
    return [(points.take(part), classes[part]) for part in parts]


@pytest.mark.parametrize("order", [1, 2])
def test_the_inner_loop_takes_the_steps_of_a_fit(examples, order) -> None:
    network = new_network()
    given = batches(examples, 3)
    objective = Objective(network, replace(SETTINGS, order=order))
    adapted = adapt(objective, given)
    adam = Adam(network.fitted_parameters())
    for points, _ in given:
        adam.zero_grad()
        network.error(points, 1).loss.backward()
        adam.step(1e-3)
    fitted = dict(objective.named_parameters())
    assert not any("head" in name for name in adapted)
    for name, weight in adapted.items():
        torch.testing.assert_close(weight, fitted[name], rtol=1e-4, atol=1e-6)


def test_with_the_joint_loss_the_head_is_adapted_too(examples) -> None:
    objective = Objective(new_network(), replace(SETTINGS, inner_loss="joint"))
    start = dict(objective.named_parameters())
    adapted = adapt(objective, batches(examples, 1))
    assert adapted.keys() == start.keys()
    assert not any(torch.equal(adapted[name], start[name]) for name in start)


def test_the_second_order_gradient_is_that_of_finite_differences(examples) -> None:
    network = new_network().double()
    objective = Objective(network, replace(SETTINGS, order=2))
    given = [
        (Points(points.positions.double(), points.seen.double()), classes)
        for points, classes in batches(examples, 4)
    ]

    def outer_loss() -> torch.Tensor:
        return functional_call(objective, adapt(objective, given[:-1]), given[-1])[1]

    bias = network.sine.biases[1]
    (gradient,) = torch.autograd.grad(outer_loss(), [bias])
    direction = torch.randn_like(bias)
    losses = []
    for way in (1e-6, -2e-6):
        with torch.no_grad():
            bias += way * direction
        losses.append(outer_loss().item())
    ahead, behind = losses
    assert (gradient @ direction).item() == pytest.approx((ahead - behind) / 2e-6, rel=1e-3)


def test_first_and_second_order_differ_in_the_gradient_alone(examples) -> None:
    given = batches(examples, 4)
    losses, gradients = [], []
    for order in (1, 2):
        network = new_network()
        objective = Objective(network, replace(SETTINGS, order=order))
        loss = functional_call(objective, adapt(objective, given[:-1]), given[-1])[0]
        losses.append(loss.item())
        gradients.append(torch.autograd.grad(loss, [network.sine.weights[1]])[0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert not torch.allclose(gradients[0], gradients[1], rtol=1e-2)


def test_a_few_steps_from_a_meta_learned_start_go_further(examples, points, tmp_path) -> None:
    def psnr(network: SirenNetwork) -> float:
        return list(Fit(network, points, FitSettings(iterations=4, points=512)))[-1].psnr

    network = new_network()
    meta_train(network, examples, SETTINGS, replace(LOOP, rate=1e-3), tmp_path, 0)
    assert psnr(network) > psnr(new_network()) + 3
    assert len((tmp_path / "meta.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("kind", ["layer", "weight"])
def test_step_sizes_are_learned(examples, tmp_path, kind) -> None:
    network = new_network(kind)
    meta_train(network, examples, SETTINGS, LOOP, tmp_path, 0)
    assert all(rate.abs().max() > 1e-3 for rate in network.log_rates)


def test_interrupted_it_ends_the_same(examples, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("src_core.training.loop.SAVE_EVERY", 20)
    through, broken = new_network("layer"), new_network("layer")
    for name in ("through", "broken"):
        (tmp_path / name).mkdir()
    meta_train(through, examples, SETTINGS, LOOP, tmp_path / "through", 0)

    class Interrupted(list):
        drawn = 0

        def __getitem__(self, number):
            self.drawn += 1
            if self.drawn == 60:
                raise KeyboardInterrupt
            return super().__getitem__(number)

    with pytest.raises(KeyboardInterrupt):
        meta_train(broken, Interrupted(examples), SETTINGS, LOOP, tmp_path / "broken", 0)
    broken = new_network("layer")
    meta_train(broken, examples, SETTINGS, LOOP, tmp_path / "broken", 0)
    for a, b in zip(through.parameters(), broken.parameters(), strict=True):
        assert torch.equal(a, b)


def test_displaced_positions_keep_what_is_seen_there(examples, tmp_path) -> None:
    errors = replace(SETTINGS, turn=2.0, shift=2.0, stretch=0.02, bend=2.0)
    loop = replace(LOOP, steps=2)
    one, other = new_network(), new_network()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    meta_train(one, examples, errors, loop, tmp_path / "one", 0)
    meta_train(other, examples, SETTINGS, loop, tmp_path / "other", 0)
    assert not torch.equal(one.sine.weights[0], other.sine.weights[0])


@pytest.mark.parametrize(
    ("field", "value"), [("order", 3), ("inner_loss", "labels"), ("label_loss", "hinge")]
)
def test_settings_without_a_meaning_are_refused(field, value) -> None:
    with pytest.raises(InputError, match=field):
        replace(SETTINGS, **{field: value})
