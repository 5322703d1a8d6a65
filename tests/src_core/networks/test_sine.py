"""The hand-written sine layers against autograd."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from src_core.networks.sine import SineLayers


def plain(layers: SineLayers, inputs: torch.Tensor) -> list[torch.Tensor]:
    """The definition, layer by layer."""
    activations = [inputs]
    for weight, bias in zip(layers.weights, layers.biases, strict=True):
        activations.append(torch.sin(layers.omega * (activations[-1] @ weight.T + bias)))
    return activations[1:]


def network(omega: float = 30.0) -> tuple[SineLayers, torch.Tensor]:
    torch.manual_seed(0)
    layers = SineLayers(3, 16, 4, omega).double()
    return layers, (torch.rand(50, 3, dtype=torch.float64) * 2 - 1).requires_grad_()


def gradients(outputs, layers: SineLayers, inputs: torch.Tensor) -> list[torch.Tensor]:
    torch.manual_seed(1)
    loss = sum((torch.randn_like(output) * output).sum() for output in outputs)
    wanted = [tensor for tensor in (inputs, *layers.parameters()) if tensor.requires_grad]
    found = torch.autograd.grad(loss, wanted, allow_unused=True)
    return [torch.zeros_like(w) if f is None else f for w, f in zip(wanted, found, strict=True)]


@pytest.mark.parametrize("omega", [1.0, 30.0])
def test_the_activations_follow_the_definition(omega) -> None:
    layers, inputs = network(omega)
    for own, expected in zip(layers(inputs), plain(layers, inputs), strict=True):
        torch.testing.assert_close(own, expected)


USED = [used for n in (1, 2, 4) for used in itertools.combinations(range(4), n)]


@pytest.mark.parametrize("used", USED, ids=str)
def test_gradients_equal_those_of_autograd_whichever_layers_are_used(used) -> None:
    layers, inputs = network()
    own = gradients([layers(inputs)[n] for n in used], layers, inputs)
    expected = gradients([plain(layers, inputs)[n] for n in used], layers, inputs)
    for a, b in zip(own, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("used", [(0, 1, 2, 3), (1,), (3,)], ids=str)
def test_gradients_can_be_differentiated_again(used) -> None:
    layers, inputs = network(omega=3.0)

    def second(outputs) -> tuple[torch.Tensor, ...]:
        loss = sum(outputs[n].square().sum() for n in used)
        wanted = [inputs, *layers.parameters()]
        first = torch.autograd.grad(loss, wanted, create_graph=True, allow_unused=True)
        length = sum(g.square().sum() for g in first if g is not None)
        return torch.autograd.grad(length, wanted, allow_unused=True)

    own, expected = second(layers(inputs)), second(plain(layers, inputs))
    for a, b in zip(own, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b)


def test_gradients_of_positions_are_right_when_the_weights_stand_still() -> None:
    layers, inputs = network()
    layers.requires_grad_(False)
    own = gradients(layers(inputs), layers, inputs)
    expected = gradients(plain(layers, inputs), layers, inputs)
    assert len(own) == 1
    torch.testing.assert_close(own[0], expected[0])


def test_gradients_of_weights_are_right_when_the_positions_stand_still() -> None:
    layers, inputs = network()
    inputs.requires_grad_(False)
    own = gradients(layers(inputs)[-1:], layers, inputs)
    for a, b in zip(own, gradients(plain(layers, inputs)[-1:], layers, inputs), strict=True):
        torch.testing.assert_close(a, b)


def test_a_backward_pass_changes_no_activation() -> None:
    layers, inputs = network()
    outputs = layers(inputs)
    before = [output.detach().clone() for output in outputs]
    sum(output.sum() for output in outputs).backward()
    assert all(torch.equal(a, b) for a, b in zip(outputs, before, strict=True))


def test_at_the_start_every_layer_is_equally_alive() -> None:
    torch.manual_seed(0)
    layers = SineLayers(3, 256, 5, 30.0)
    outputs = layers(torch.rand(2000, 3) * 2 - 1)
    # An arcsine distribution: standard deviation sqrt(1/2).
    for output in outputs:
        assert output.std().item() == pytest.approx(math.sqrt(0.5), abs=0.05)
