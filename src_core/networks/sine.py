"""A stack of sine layers (SIREN, Sitzmann et al. 2020), as fast as the matrix products allow.

Forward and backward are written by hand: the factor omega is folded into the weights, the
cosine is taken in place of the stored phase, and nothing but phases and activations is kept.
Called with chunks of one or two thousand points everything stays in the cache. Where the gradient
must itself be differentiated (second-order meta-learning), it is taken by autograd instead.
"""

import math
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

CHUNK = 2048
"""Points per call in a fit step: their activations stay in the cache."""


class _SineFunction(torch.autograd.Function):
    """Activations of every layer, with their gradient."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, omega: float, *parameters: Tensor) -> tuple[Tensor, ...]:
        weights = [omega * weight for weight in parameters[0::2]]
        biases = [omega * bias for bias in parameters[1::2]]
        phases, activations = [], [inputs]
        for weight, bias in zip(weights, biases, strict=True):
            phases.append(torch.addmm(bias, activations[-1], weight.T))
            activations.append(torch.sin(phases[-1]))
        ctx.omega = omega
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*parameters, *weights, *phases, *activations[:-1])
        return tuple(activations[1:])

    @staticmethod
    def backward(ctx: Any, *outward: Tensor | None) -> tuple[Tensor | None, ...]:
        # Gradients are recorded here only if they are to be differentiated.
        if torch.is_grad_enabled():
            return _differentiable_gradients(ctx, outward)
        depth = len(outward)
        saved = ctx.saved_tensors[2 * depth :]
        weights, phases, inputs = saved[:depth], saved[depth : 2 * depth], saved[2 * depth :]
        gradients: list[Tensor | None] = [None] * (2 * depth)
        flowing: Tensor | None = None
        for layer in reversed(range(depth)):
            own = outward[layer]
            flowing = own if flowing is None else flowing if own is None else flowing.add_(own)
            if flowing is None:
                continue
            slope = torch.cos(phases[layer]).mul_(flowing)
            # Both products are laid out so that those with few columns are not slow.
            if ctx.needs_input_grad[2 + 2 * layer]:
                gradient = inputs[layer].T @ slope
                gradients[2 * layer] = gradient.T.contiguous().mul_(ctx.omega)
            if ctx.needs_input_grad[3 + 2 * layer]:
                gradients[2 * layer + 1] = slope.sum(0).mul_(ctx.omega)
            flowing = None
            if layer or ctx.needs_input_grad[0]:
                flowing = functional.linear(slope, weights[layer].T.contiguous())
        return flowing, None, *gradients


def _differentiable_gradients(
    ctx: Any, outward: tuple[Tensor | None, ...]
) -> tuple[Tensor | None, ...]:
    """What `_SineFunction.backward` returns, by autograd through plain operations."""
    depth = len(outward)
    parameters, inputs = ctx.saved_tensors[: 2 * depth], ctx.saved_tensors[4 * depth]
    outputs, activation = [], inputs
    for weight, bias in zip(parameters[0::2], parameters[1::2], strict=True):
        activation = torch.sin(ctx.omega * torch.addmm(bias, activation, weight.T))
        outputs.append(activation)
    used = [layer for layer, own in enumerate(outward) if own is not None]
    needed = (ctx.needs_input_grad[0], *ctx.needs_input_grad[2:])
    wanted = [tensor for tensor, needs in zip((inputs, *parameters), needed, strict=True) if needs]
    found = iter(
        torch.autograd.grad(
            [outputs[layer] for layer in used],
            wanted,
            [outward[layer] for layer in used],
            create_graph=True,
            allow_unused=True,
        )
    )
    first, *others = [next(found) if needs else None for needs in needed]
    return first, None, *others


class SineLayers(nn.Module):
    """Sine layers ``sin(omega (W x + b))`` with SIREN initialisation.

    Parameters
    ----------
    inputs : int
        Number of input coordinates.
    width : int
        Units per layer.
    depth : int
        Number of layers.
    omega : float
        Frequency factor of every layer.

    References
    ----------
    Sitzmann et al., Implicit Neural Representations with Periodic Activation Functions,
    NeurIPS 2020, section 3.2.
    """

    def __init__(self, inputs: int, width: int, depth: int, omega: float):
        super().__init__()
        self.omega = omega
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for layer in range(depth):
            fan_in = inputs if layer == 0 else width
            bound = 1 / fan_in if layer == 0 else math.sqrt(6 / fan_in) / omega
            self.weights.append(nn.Parameter(torch.empty(width, fan_in).uniform_(-bound, bound)))
            edge = 1 / math.sqrt(fan_in)
            self.biases.append(nn.Parameter(torch.empty(width).uniform_(-edge, edge)))

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Activations of every layer.

        Parameters
        ----------
        inputs : Tensor, shape (N, inputs)

        Returns
        -------
        tuple of `depth` Tensors, shape (N, width)
        """
        pairs = zip(self.weights, self.biases, strict=True)
        activations: tuple[Tensor, ...] = _SineFunction.apply(
            inputs, self.omega, *(tensor for pair in pairs for tensor in pair)
        )
        return activations
