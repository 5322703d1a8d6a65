"""The class of every brain voxel, from small students where they are sure, else from the network.

Most voxels lie amid a structure and need no large head. So the network is asked about a sample of
each part of the brain, and a small student learns its answers (distillation: Hinton, Vinyals and
Dean 2015). The student then answers for the rest of its part where it is sure, and the network
where it is not (a cascade: Viola and Jones 2001). Voxels of the sample that no student learned
from tell whether the sure ones may be trusted. Where the network contradicts a student, it is asked
about the voxels beside as well, and so on: what a student has missed, a small structure above all,
lies together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from src_core.fitting.adam import Adam
from src_core.fitting.decode import PointValues, decode
from src_core.fitting.device import return_free_memory
from src_core.fitting.workers import Workers
from src_core.networks.fourier import fourier_code
from src_core.networks.sine import CHUNK
from src_core.space.regions import extent

if TYPE_CHECKING:
    from src_core.networks.base import CoordinateNetwork
    from src_core.space.points import BrainPoints, Points

PART = 300_000
"""Voxels that share a student, at least; where there are fewer, the network is asked about all."""
SURE = 0.9
"""How probable a student must hold its answer to be trusted."""
DISAGREEMENT = 1e-3
"""Share of the trusted answers that may differ from the network's; else more sureness is asked. To
ask beside what was contradicted finds three in four of them."""

_LEARNT, _HELD_OUT = 16_000, 4_000
"""Voxels of a part that its student learns from, and others that it is checked on."""
_WAVELENGTHS = (256.0, 128.0, 64.0, 32.0, 16.0)
_HIDDEN = 64
_EPOCHS = 6
_BATCH = 512
_RATE = 0.03


class Student:
    """A network of one small hidden layer that reads where a voxel lies and what is seen there.

    Parameters
    ----------
    inputs : Tensor, shape (N, C)
        As from `student_inputs`.
    targets : Tensor, shape (N, classes)
        Probabilities that it learns, in an order drawn by the generator.
    generator : torch.Generator
    """

    def __init__(self, inputs: Tensor, targets: Tensor, generator: torch.Generator):
        count, columns = inputs.shape
        mean, spread = inputs.mean(0), inputs.std(0)
        mean[-1] = 0  # The last column is the constant, which carries the biases.
        spread[spread == 0] = 1
        inputs = (inputs - mean) / spread
        first = torch.randn(columns, _HIDDEN, generator=generator) / columns**0.5
        second = torch.zeros(_HIDDEN, targets.shape[1])
        adam = Adam([first, second])
        batches = count // _BATCH
        for epoch in range(_EPOCHS):
            order = torch.randperm(count, generator=generator)[: batches * _BATCH]
            for number, batch in enumerate(order.split(_BATCH)):
                read, wanted = inputs.index_select(0, batch), targets.index_select(0, batch)
                hidden = (read @ first).relu_()
                errors = (hidden @ second).softmax(1).sub_(wanted).div_(_BATCH)
                first.grad = read.T @ (errors @ second.T).mul_(hidden > 0)
                second.grad = hidden.T @ errors
                done = (epoch + number / batches) / _EPOCHS
                adam.step(_RATE * (1 - done))
        self._first = first / spread[:, None]
        self._first[-1] -= mean @ self._first
        self._second = second

    def __call__(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Classes (N,), uint8, and the logarithms of their probabilities (N,)."""
        scores = (inputs @ self._first).relu_() @ self._second
        best, classes = scores.max(1)
        return classes.to(torch.uint8), best - scores.logsumexp(1)


def decode_classes(network: CoordinateNetwork, points: BrainPoints) -> np.ndarray:
    """The class of every brain voxel, sooner than by asking the network about each.

    One or two in 10,000 of them may differ from what ``decode(network, points, "classes")`` gives.
    The same network and points always give the same classes.

    Parameters
    ----------
    network : CoordinateNetwork
    points : BrainPoints
        On the network's device.

    Returns
    -------
    ndarray, shape (N,), uint8
    """
    device, parts = points.indices.device, len(points) // PART
    if device.type != "cpu" or parts == 0:
        return decode(network, points, "classes")
    return_free_memory()  # what the fit has left
    classes, asked, unsure, wrong = _from_students(network, points, parts)
    return_free_memory()  # what they have left
    neighbours = _Neighbours(points.indices.numpy())
    unsure[neighbours.of(wrong, asked)] = True
    to_ask = unsure.nonzero()[:, 0]
    while len(to_ask):
        told = torch.from_numpy(decode(network, points, "classes", to_ask))
        wrong = to_ask[told != classes[to_ask]]
        classes[to_ask], asked[to_ask] = told, True
        to_ask = neighbours.of(wrong, asked)
    return classes.numpy()


def _from_students(
    network: CoordinateNetwork, points: BrainPoints, parts: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What students say, each of one of some parts of the brain.

    Returns the class of each voxel, uint8, whether the network was asked about it, and whether it
    still has to be, all (N,); and the numbers of voxels where it has contradicted a student.
    """
    # Filled in place: kept pieces between short-lived ones would fragment the memory.
    classes, asked = (torch.zeros(len(points), dtype=kind) for kind in (torch.uint8, torch.bool))
    numbers, sureness = torch.arange(len(points)), torch.empty(len(points))
    split = zip(
        *(values.tensor_split(parts) for values in (numbers, classes, sureness, asked)), strict=True
    )
    checks = Workers(points.indices.device).map(lambda part: _fill(network, points, *part), split)
    checked, right, wrong = (torch.cat(column) for column in zip(*checks, strict=True))
    return classes, asked, ~(asked | (sureness > _least_sureness(checked, right))), wrong


@torch.no_grad()
def _fill(
    network: CoordinateNetwork,
    points: BrainPoints,
    numbers: Tensor,
    classes: Tensor,
    sureness: Tensor,
    asked: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Teach a student some of the voxels with the given numbers, and ask it about all of them.

    Fills in the classes, the logarithms of their probabilities, and whether it was the network that
    told the class. Returns how sure the student was of voxels that it had not learned, whether
    rightly so, and the numbers of all voxels where the network has contradicted it.
    """
    generator = torch.Generator().manual_seed(0)
    sample = torch.randperm(len(numbers), generator=generator)[: _LEARNT + _HELD_OUT]
    lessons = []
    for piece in sample.split(CHUNK):
        taken = points.take(numbers[piece])
        lessons.append((student_inputs(taken), PointValues(network, taken).probabilities))
    inputs, probabilities = (torch.cat(column) for column in zip(*lessons, strict=True))
    del lessons
    student = Student(inputs[:_LEARNT], probabilities[:_LEARNT], generator)
    for start in range(0, len(numbers), CHUNK):
        piece = slice(start, start + CHUNK)
        classes[piece], sureness[piece] = student(student_inputs(points.take(numbers[piece])))
    told = probabilities.argmax(1).to(torch.uint8)
    right = classes[sample] == told
    classes[sample], asked[sample] = told, True
    return sureness[sample[_LEARNT:]], right[_LEARNT:], numbers[sample[~right]]


class _Neighbours:
    """Which brain voxels share a face.

    Parameters
    ----------
    indices : ndarray, shape (N, 3)
        Of the brain's voxels.
    """

    def __init__(self, indices: np.ndarray):
        low, high = extent(indices)
        shape = high - low + 3  # an empty voxel on each side
        # Axis by axis in small integers: tables of large ones would raise the peak memory.
        self._places = np.zeros(len(indices), np.int32)
        for along, first, size in zip(indices.T, low, shape, strict=True):
            self._places *= size
            self._places += along - (first - 1).astype(along.dtype)
        self._numbers = np.full(np.prod(shape), -1, np.int32)
        self._numbers[self._places] = np.arange(len(indices), dtype=np.int32)
        steps = np.array([shape[1] * shape[2], shape[2], 1])
        self._moves = np.concatenate([steps, -steps])

    def of(self, numbers: Tensor, left_out: Tensor) -> Tensor:
        """Numbers of the voxels beside some, rising, but for those that are left out, bool (N,)."""
        places = self._places[numbers.numpy()]
        beside = np.unique(self._numbers[places[:, None] + self._moves])
        found = torch.from_numpy(beside[beside >= 0]).long()
        return found[~left_out[found]]


def student_inputs(points: Points) -> Tensor:
    """What a student reads at points: codes of the positions, what is seen, and a constant."""
    code = fourier_code(points.positions, _WAVELENGTHS)
    return torch.cat([code, points.seen, torch.ones(len(points), 1)], 1)


def _least_sureness(sureness: Tensor, right: Tensor) -> Tensor:
    """Sureness, not below `SURE`, above which at most `DISAGREEMENT` of the answers are wrong."""
    falling, order = sureness.sort(descending=True)
    wrong = (~right[order]).cumsum(0)
    allowed = DISAGREEMENT * torch.arange(1, len(order) + 1)
    few = (wrong <= allowed).nonzero()[:, 0]
    count = 0 if len(few) == 0 else int(few[-1]) + 1
    least = falling.new_tensor(SURE).log()
    return falling[count].maximum(least) if count < len(falling) else least
