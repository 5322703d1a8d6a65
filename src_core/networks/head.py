"""The shallow head that reads labels off features."""

from itertools import pairwise

from torch import Tensor, nn


class Head(nn.Module):
    """Dense layers with LeakyReLU between them.

    Parameters
    ----------
    inputs : int
        Numbers read per point.
    hidden : tuple of int
        Units of the hidden layers.
    classes : int
        Scores given per point.
    """

    def __init__(self, inputs: int, hidden: tuple[int, ...], classes: int):
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((inputs, *hidden)):
            layers += [nn.Linear(before, after), nn.LeakyReLU(0.01, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Linear((inputs, *hidden)[-1], classes))

    def forward(self, inputs: Tensor) -> Tensor:
        """Class scores (N, classes) of the numbers read (N, inputs)."""
        scores: Tensor = self.layers(inputs)
        return scores
