"""Meta-learning of a start: inner loop, outer loop, learned step sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.func import functional_call

from src_core.adam import Adam
from src_core.errors import InputError
from src_core.fit import Fit, FitSettings
from src_core.networks.siren import SirenNetwork, SirenSettings
from src_core.points import BrainPoints, Points
from src_core.training.examples import Example
from src_core.training.meta import MetaSettings, Objective, adapt, meta_train

SETTINGS = MetaSettings(
    steps=50, scans_per_step=2, points_per_scan=128, inner_steps=3, inner_rate=1e-3
)
"""Short, and with steps that one sees."""


def new_network(learned_rates: str = "none") -> SirenNetwork:
    torch.manual_seed(0)
    settings = SirenSettings(
        3, width=24, depth=3, hidden=(16,), weight_rate=1e-3, learned_rates=learned_rates
    )
    return SirenNetwork(settings)


@pytest.fixture
def examples(points: BrainPoints) -> list[Example]:
    """Two scans of one brain, one of them dark; the bright half of each is one class."""
    intensity = points.seen[:, 0].float()
    classes = (intensity > intensity.median()).to(torch.uint8) + 1
    dark = replace(points, seen=points.seen * 0.7)
    return [
        Example("bright", "train", points, classes, 1.0),
        Example("dark", "train", dark, classes, 1.0),
    ]


def batches(examples: list[Example], count: int) -> list[tuple[Points, torch.Tensor]]:
    example = examples[0]
    parts = [slice(n * 200, (n + 1) * 200) for n in range(count)]
    return [(example.points.take(part), example.classes[part]) for part in parts]


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
    meta_train(network, examples, replace(SETTINGS, outer_rate=1e-3), tmp_path, 0)
    assert psnr(network) > psnr(new_network()) + 3
    assert len((tmp_path / "meta.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize("kind", ["layer", "weight"])
def test_step_sizes_are_learned(examples, tmp_path, kind) -> None:
    network = new_network(kind)
    meta_train(network, examples, SETTINGS, tmp_path, 0)
    assert all(rate.abs().max() > 1e-3 for rate in network.log_rates)


@pytest.mark.parametrize("running_fits", [0, 5])
def test_interrupted_it_ends_the_same(examples, tmp_path: Path, monkeypatch, running_fits) -> None:
    settings = replace(SETTINGS, running_fits=running_fits)
    monkeypatch.setattr("src_core.training.loop.SAVE_EVERY", 20)
    through, broken = new_network("layer"), new_network("layer")
    for name in ("through", "broken"):
        (tmp_path / name).mkdir()
    meta_train(through, examples, settings, tmp_path / "through", 0)

    class Interrupted(list):
        drawn = 0

        def __getitem__(self, number):
            self.drawn += 1
            if self.drawn == 60:
                raise KeyboardInterrupt
            return super().__getitem__(number)

    with pytest.raises(KeyboardInterrupt):
        meta_train(broken, Interrupted(examples), settings, tmp_path / "broken", 0)
    broken = new_network("layer")
    meta_train(broken, examples, settings, tmp_path / "broken", 0)
    for a, b in zip(through.parameters(), broken.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_running_fit_takes_the_steps_of_a_fit(examples, tmp_path) -> None:
    """While the start stands still; what is seen of it is the error before the next step."""
    still = replace(
        SETTINGS,
        steps=50,
        outer_rate=0.0,
        head_rate=0.0,
        scans_per_step=1,
        running_fits=1,
        inner_steps=50,
        points_per_scan=4000,
    )
    network = new_network()
    meta_train(network, examples[:1], still, tmp_path, 0)
    told = float((tmp_path / "meta.csv").read_text().splitlines()[-1].split(",")[3])
    *_, last = Fit(network, examples[0].points, FitSettings(iterations=50, points=4000))
    assert told == pytest.approx(10 ** (-last.psnr / 10), rel=0.1)


def test_step_sizes_are_learned_from_running_fits(examples, tmp_path) -> None:
    network = new_network("layer")
    meta_train(network, examples, replace(SETTINGS, running_fits=4), tmp_path, 0)
    assert all(rate.abs() > 1e-3 for rate in network.log_rates)


def test_displaced_positions_keep_what_is_seen_there(examples, tmp_path) -> None:
    errors = replace(SETTINGS, turn=2.0, shift=2.0, stretch=0.02, bend=2.0, steps=2)
    one, other = new_network(), new_network()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    meta_train(one, examples, errors, tmp_path / "one", 0)
    meta_train(other, examples, replace(SETTINGS, steps=2), tmp_path / "other", 0)
    assert not torch.equal(one.sine.weights[0], other.sine.weights[0])


@pytest.mark.parametrize(
    ("field", "value"), [("order", 3), ("inner_loss", "labels"), ("label_loss", "hinge")]
)
def test_settings_without_a_meaning_are_refused(field, value) -> None:
    with pytest.raises(InputError, match=field):
        replace(SETTINGS, **{field: value})


def test_running_fits_know_the_first_order_alone() -> None:
    with pytest.raises(InputError, match="running_fits"):
        replace(SETTINGS, running_fits=4, order=2)
