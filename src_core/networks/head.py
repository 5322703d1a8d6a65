"""The shallow head that reads labels off features."""

from copy import deepcopy
from itertools import pairwise

import torch
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
        Scores given per point, unless they are merged.

    Attributes
    ----------
    sums : Tensor or None
        Merges the classes to coarser ones, see `merged_scores`.
    """

    sums: Tensor | None

    def __init__(self, inputs: int, hidden: tuple[int, ...], classes: int):
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((inputs, *hidden)):
            layers += [nn.Linear(before, after), nn.LeakyReLU(0.01, inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Linear((inputs, *hidden)[-1], classes))
        self.register_buffer("sums", None, persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Class scores (N, classes) of the numbers read (N, inputs)."""
        scores: Tensor = self.layers(inputs)
        return scores if self.sums is None else merged_scores(scores, self.sums)


@torch.no_grad()
def between(before: Head, after: Head, share: float) -> Head:
    """The head whose weights lie a share of the way from one to another.

    References
    ----------
    Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022.
    """
    head = deepcopy(before)
    for weight, end in zip(head.parameters(), after.parameters(), strict=True):
        weight.lerp_(end, share)
    return head


def merged_scores(scores: Tensor, sums: Tensor) -> Tensor:
    """Scores of coarser classes, whose probabilities are the sums of those of the finer ones.

    Parameters
    ----------
    scores : Tensor, shape (N, classes)
    sums : Tensor, shape (classes, coarser classes)
        1 where a class is part of a coarser one, else 0.

    Returns
    -------
    Tensor, shape (N, coarser classes)
    """
    shares = (scores - scores.amax(1, keepdim=True)).exp_()
    # What is as good as impossible keeps a finite score, and with it a gradient that is a number.
    return torch.log((shares @ sums).clamp_min(torch.finfo(shares.dtype).tiny))
