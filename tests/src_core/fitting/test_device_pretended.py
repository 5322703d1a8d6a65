"""What is computed on another device than the CPU is the same, and little goes to and fro."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
import torch

from src_core.datasets.settings import DataSettings
from src_core.fitting.decode import Quantity, decode
from src_core.fitting.fit import Fit
from src_core.fitting.history import History
from src_core.fitting.settings import FitSettings
from src_core.fitting.warp_products import (
    displacement_field,
    jacobian_determinant,
    template_positions,
)
from src_core.models.model import build_network, load_model
from src_core.networks.settings import SirenSettings, WarpedSettings
from src_core.results.progression import write_progression
from src_core.segment import segment
from src_core.training.settings import (
    ExampleSettings,
    LoopSettings,
    MetaSettings,
    NetworkSettings,
    TrainingSettings,
)
from src_core.training.train import train
from tests.helpers.pretend_device import DEVICE, PretendDevice

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.networks.base import CoordinateNetwork
    from src_core.networks.settings import Architecture
    from src_core.results.segmentation import Segmentation
    from src_core.space.points import BrainPoints
    from tests.src_core.conftest import Brain

WARPED = WarpedSettings(
    5,
    width=16,
    depth=2,
    hidden=(16,),
    spacings=(48.0, 24.0),
    warp_iterations=2,
    reads_activations=False,
    aligned_wavelengths=(256.0,),
    warped_wavelengths=(64.0, 32.0),
)
SIREN = SirenSettings(5, width=16, depth=2, hidden=(16,))
KINDS = {
    "warped": WARPED,
    "warped, activations read": replace(
        WARPED, reads_activations=True, aligned_wavelengths=(), warped_wavelengths=()
    ),
    "siren": SIREN,
    "siren, a rate per layer": replace(SIREN, learned_rates="layer"),
    "siren, a rate per weight": replace(SIREN, learned_rates="weight"),
}
QUANTITIES = get_args(Quantity)
FIT = FitSettings(iterations=5, points=5000, look_every=2)


@pytest.fixture(params=KINDS)
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return KINDS[request.param]


def new_network(architecture: Architecture) -> CoordinateNetwork:
    torch.manual_seed(0)
    return build_network(architecture)


def changed_network(architecture: Architecture) -> CoordinateNetwork:
    """As after a fit: its warp is not zero."""
    network = new_network(architecture)
    start = network.fitted_vector()
    network.load_fitted(start + 0.01 * torch.randn(len(start)))
    return network


def fitted(network: CoordinateNetwork, points: BrainPoints) -> list[tuple[float, ...]]:
    """Iteration, loss, PSNR and change of labels in each step of a fit."""
    steps = Fit(network, points, FIT)
    return [(step.iteration, step.loss, step.psnr, step.change) for step in steps]


def test_tensors_of_two_devices_do_not_meet() -> None:
    with PretendDevice() as device:
        there = torch.ones(3).to(DEVICE)
        with pytest.raises(RuntimeError, match="different devices"):
            there + torch.ones(3)
        with pytest.raises(RuntimeError, match="different devices"):
            there[torch.tensor([0, 1])]
        assert (2 * there).sum().item() == 6
        assert (2 * there).cpu().tolist() == [2, 2, 2]
        assert device.copies == ["to device", "to host", "to host"]
        with pytest.raises(AssertionError, match="generator elsewhere"):
            torch.rand(3, device=DEVICE, generator=torch.Generator())
        assert len(there[there > 0]) == 3
        assert device.copies[3:] == ["aten.index.Tensor"]


def test_a_fit_goes_the_same_way(architecture: Architecture, points: BrainPoints) -> None:
    here = new_network(architecture)
    steps_here = fitted(here, points)
    with PretendDevice():
        there = new_network(architecture).to(DEVICE)
        steps_there = fitted(there, points.to(DEVICE))
        assert all(parameter.device == DEVICE for parameter in there.parameters())
        vector = there.fitted_vector()
    np.testing.assert_allclose(steps_there, steps_here, rtol=1e-4)
    torch.testing.assert_close(vector, here.fitted_vector(), rtol=1e-3, atol=1e-5)


def test_a_step_sends_its_points_and_brings_its_loss(
    architecture: Architecture, points: BrainPoints
) -> None:
    with PretendDevice() as device:
        network = new_network(architecture).to(DEVICE)
        fit = Fit(network, points.to(DEVICE), replace(FIT, look_every=0))
        next(fit)
        for _ in range(3):
            device.copies.clear()
            next(fit)
            assert device.copies == ["to device", "to host"]


def test_what_is_decoded_is_the_same(architecture: Architecture, points: BrainPoints) -> None:
    network = changed_network(architecture)
    numbers = torch.arange(1, len(points), 50)
    here = {quantity: decode(network, points, quantity, numbers) for quantity in QUANTITIES}
    here["all"] = decode(network, points, "intensity")
    with PretendDevice():
        network.to(DEVICE)
        points, numbers = points.to(DEVICE), numbers.to(DEVICE)
        there = {quantity: decode(network, points, quantity, numbers) for quantity in QUANTITIES}
        there["all"] = decode(network, points, "intensity")
    for name, values in here.items():
        np.testing.assert_allclose(there[name], values, atol=1e-3, err_msg=name)


def test_decoding_sends_nothing_but_which_points(points: BrainPoints) -> None:
    with PretendDevice() as device:
        network = new_network(WARPED).to(DEVICE)
        points = points.to(DEVICE)
        numbers = torch.arange(100).to(DEVICE)
        device.copies.clear()
        decode(network, points, "classes", numbers)
        assert "to device" not in device.copies
        assert set(device.copies) == {"to host"}


@pytest.mark.parametrize("product", [template_positions, displacement_field, jacobian_determinant])
def test_products_of_the_warp_are_the_same(product, brain: Brain) -> None:
    network = changed_network(WARPED)
    told = (np.eye(4), brain.scan.affine, (3, *brain.scan.shape[1:]))
    here = product(network, *told)
    with PretendDevice():
        there = product(network.to(DEVICE), *told)
    np.testing.assert_allclose(there, here, atol=1e-4)


def test_weights_are_put_away_on_the_host_and_loaded(architecture: Architecture) -> None:
    start = changed_network(architecture).fitted_vector()
    end = start + 1
    with PretendDevice():
        network = new_network(architecture).to(DEVICE)
        history = History(network)
        for iteration, vector in ((0, start), (5, end)):
            network.load_fitted(vector)
            history.record(iteration)
        with history.at(0) as earlier:
            torch.testing.assert_close(earlier.fitted_vector(), start)
        assert network.fitted_vector().device.type == "cpu"
        other = new_network(architecture).to(DEVICE)
        history.load(5, other)
        torch.testing.assert_close(other.fitted_vector(), end)
        torch.testing.assert_close(network.fitted_vector(), end)


def test_a_scan_is_segmented(
    brain: Brain,
    training: TrainingSettings,
    result: Segmentation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("src_core.preparation.prepare.choose_device", lambda _: DEVICE)
    # To align it would take long in this pretence, and is done on the CPU anyway.
    given = {"model": training.output, "transform": result.alignment.matrix}
    with PretendDevice():
        there = segment(brain.scan, reference=brain.labels, **given)
        reconstruction = there.reconstruction()
        write_progression(there, tmp_path / "emerging.png")
    assert (there.labels != result.labels).mean() < 1e-3
    assert there.report["dice"] == pytest.approx(result.report["dice"], abs=0.01)
    np.testing.assert_allclose(reconstruction, result.reconstruction(), rtol=0.05, atol=1)


@pytest.mark.parametrize("family", ["warped", "siren"])
def test_a_model_is_trained(
    family: str, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = LoopSettings(steps=2, scans=2, points=64, judge_every=2)
    network = NetworkSettings(width=8, depth=2, hidden=(8,))
    settings = TrainingSettings(
        DataSettings(data_folder),
        tmp_path / "here.safetensors",
        licence="none",
        family=family,
        network=replace(network, warp_iterations=2) if family == "warped" else network,
        examples=ExampleSettings(variants=1),
        fit=FitSettings(iterations=2, points=256),
        rounds=1,
        start=loop,
        head=loop,
        meta=MetaSettings(inner_steps=2) if family == "siren" else None,
        outer=loop,
        work=tmp_path / "here",
    )
    train(settings)
    # Scans are aligned on the CPU, which would take long in this pretence.
    shutil.copytree(tmp_path / "here" / "examples", tmp_path / "there" / "examples")
    monkeypatch.setattr("src_core.training.train.choose_device", lambda _: DEVICE)
    there = replace(settings, output=tmp_path / "there.safetensors", work=tmp_path / "there")
    with PretendDevice():
        train(there)
    found, wanted = load_model(there.output).weights, load_model(settings.output).weights
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], rtol=1e-3, atol=1e-5)
