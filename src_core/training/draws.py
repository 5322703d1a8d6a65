"""What is drawn at random in each step: scans, and points of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from src_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from src_core.space.points import Points
    from src_core.training.examples.example import Example

One = TypeVar("One")


def draw_numbers(below: int, count: int, generator: torch.Generator) -> Tensor:
    """Random whole numbers, shape (count,), from 0 to below a number."""
    return torch.randint(below, (count,), generator=generator)


def draw_examples(examples: Sequence[One], count: int, generator: torch.Generator) -> list[One]:
    """Random examples, with repetition."""
    return [examples[int(number)] for number in draw_numbers(len(examples), count, generator)]


@dataclass(frozen=True, eq=False)
class DrawnPoints:
    """Random points of an example with their classes, where the network is.

    Attributes
    ----------
    name : str
        Name of the example.
    numbers : Tensor, shape (N,)
        Numbers of the points among those of the example, on the CPU.
    points : Points
    classes : Tensor, shape (N,), uint8
    """

    name: str
    numbers: Tensor
    points: Points
    classes: Tensor

    def beside(self, logits: Tensor, work: Path) -> tuple[Tensor, Tensor]:
        """Class scores (N, classes) of these points, and their classes.

        Raises
        ------
        InputError
            The scores are not finite; the message names the scan and the folder `work`.
        """
        if not logits.isfinite().all():
            raise InputError(
                f"the class scores are not finite for the scan {self.name}; the last checkpoint "
                f"in {work} stays: look at the scan, or lower the rate"
            )
        return logits, self.classes


def draw_points(
    example: Example,
    classes: Tensor,
    count: int,
    generator: torch.Generator,
    device: torch.device,
) -> DrawnPoints:
    """Random points of an example.

    Parameters
    ----------
    example : Example
    classes : Tensor, shape (N,), uint8
        Class of each of its points.
    count : int
    generator : torch.Generator
    device : torch.device
        For points and classes.
    """
    numbers = draw_numbers(len(example.points), count, generator)
    points = example.points.take(numbers).to(device)
    return DrawnPoints(example.name, numbers, points, classes[numbers].to(device))
