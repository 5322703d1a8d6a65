"""Adam (Kingma & Ba 2015) on lists of tensors.

`torch.optim.Adam` does the same but imports the compiler stack first, which costs seconds at the
first click; here the state is also small enough to be put into a checkpoint as it is.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def can_move(rate: float | Tensor) -> bool:
    """Whether a step size moves anything; those in a tensor are learned, and above zero."""
    return isinstance(rate, Tensor) or rate > 0


class Adam:
    """Adam with one step size per tensor.

    Parameters
    ----------
    parameters : sequence of Tensor
        Leaves that require gradients; changed in place.
    betas : tuple of 2 float
        Decay of the running means of the gradient and of its square.
    """

    def __init__(self, parameters: Sequence[Tensor], betas: tuple[float, float] = (0.9, 0.999)):
        self.parameters = list(parameters)
        self.betas = betas
        self.count = 0
        self.means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, rates: Sequence[float | Tensor] | float) -> None:
        """Move every tensor that has a gradient and a positive step size.

        Parameters
        ----------
        rates : float or sequence of (float or Tensor)
            Step sizes: one for all, or one per tensor, which is a number or, where it is learned,
            a tensor on the same device, of one number or of the tensor's shape.
        """
        if isinstance(rates, (int, float)):
            rates = [rates] * len(self.parameters)
        self.count += 1
        first, second = self.betas
        correction = (1 - second**self.count) ** 0.5 / (1 - first**self.count)
        moving = [
            index
            for index, parameter in enumerate(self.parameters)
            if parameter.grad is not None and can_move(rates[index])
        ]
        if not moving:
            return
        gradients: list[Tensor] = [self.parameters[index].grad for index in moving]  # type: ignore[misc]
        means = [self.means[index] for index in moving]
        squares = [self.squares[index] for index in moving]
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        spread = torch._foreach_sqrt(squares)
        torch._foreach_add_(spread, 1e-8)
        moves = torch._foreach_div(means, spread)
        for index, move in zip(moving, moves, strict=True):
            parameter, rate = self.parameters[index], rates[index]
            if isinstance(rate, Tensor):
                parameter.addcmul_(move, rate.to(move.dtype), value=-correction)
            else:
                parameter.add_(move, alpha=-correction * rate)

    def state(self) -> dict[str, object]:
        """What a checkpoint needs to go on to the same result."""
        return {"count": self.count, "means": self.means, "squares": self.squares}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.count = state["count"]
        self.means = [mean.clone() for mean in state["means"]]
        self.squares = [square.clone() for square in state["squares"]]
