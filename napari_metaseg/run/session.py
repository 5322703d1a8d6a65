"""One prepared scan with its fit, its history and what is decoded of it.

Everything here that computes is an iterator of steps, run by the engine's thread; only there are
networks touched. Reading pictures is safe everywhere.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_metaseg.run.corrected import Corrected
from napari_metaseg.run.pictures import Pictures
from napari_metaseg.run.readout import POSITIONS, grown, labels_of, standard_readouts
from napari_metaseg.run.region import COARSE, WHOLE, Region
from napari_metaseg.run.tally import Tallies
from src_core.io.labels import Protocol
from src_core.space.regions import unmask

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from torch import Tensor

    from napari_metaseg.run.readout import Readout
    from src_core.correction.stroke import Stroke
    from src_core.fitting.decode import PointValues
    from src_core.io.labels import Structure
    from src_core.io.scan import Scan
    from src_core.models.model import Model
    from src_core.networks.base import CoordinateNetwork
    from src_core.preparation.prepare import Preparation
    from src_core.results.segmentation import Segmentation

_AT_ONCE, _PIECE = 32768, 4096
"""Points on the screen, and of all the others, that are decoded before something more urgent may
come first: nobody waits for every voxel, and what somebody waits for shall not wait for them."""


class Session:
    """What the engine works on for one scan.

    Parameters
    ----------
    prepared : Preparation
    iterations : int or None
        Exactly so many steps; None: the model's own number, fewer when labels stand still.
    seed : int
    budget : int
        Bytes of weights of past iterations.

    Attributes
    ----------
    prepared : Preparation
    fit : Fit
    history : History
    pictures : Pictures
    readouts : dict of Readout
        Those that are decoded, by name; more may be added at any time.
    shown : int
        The iteration on the screen; belongs to the window's thread.
    labels : Readout
        The labels on the screen; belongs to the window's thread.
    corrected : Corrected
        What strokes lead to.
    """

    def __init__(self, prepared: Preparation, iterations: int | None, seed: int, budget: int):
        from src_core.fitting.fit import Fit
        from src_core.fitting.history import History
        from src_core.fitting.workers import Workers
        from src_core.space.regions import Regions

        scan = prepared.scan
        self.prepared = prepared
        settings = prepared.model.fit.chosen(iterations, seed)
        self.fit = Fit(prepared.network, prepared.points, settings)
        self.history = History(prepared.network, budget)
        self.history.record(0)
        self.pictures = Pictures(Regions(prepared.points, scan.shape, scan.voxel_size))
        self.shown = 0
        self.labels = labels_of(prepared.model)
        self._tallies: dict[str, Tallies] = {}
        self._workers = Workers(prepared.device)
        # A network of its own for looking: the one that is fitted is never disturbed.
        self._network = prepared.model.finest().network().to(prepared.device)
        self._loaded: int | None = None
        self._added: tuple[Structure, ...] = ()
        self.corrected = Corrected(prepared, self.fit.settings.iterations)
        standard = (self.labels, *standard_readouts(prepared))
        self.readouts = {readout.name: readout for readout in standard}

    @property
    def scan(self) -> Scan:
        """The scan that is fitted."""
        return self.prepared.scan

    @property
    def protocol(self) -> Protocol:
        """Ids, names and colours of the labels on the screen."""
        assert self.labels.protocol is not None
        return self.labels.protocol

    @property
    def model(self) -> Model:
        """The model, with its labels told as they are on the screen."""
        return replace(self.prepared.model.in_protocol(self.protocol.name), added=self._added)

    @property
    def added(self) -> tuple[Structure, ...]:
        """Structures that the model lacks, and that strokes may paint."""
        return self._added

    @property
    def learnt(self) -> Protocol:
        """The protocol that the network was trained for, with the structures that were added."""
        return replace(self.prepared.model.finest(), added=self._added).protocol

    def labels_in(self, protocol: str) -> Readout:
        """Labels in one of the model's protocols.

        Raises
        ------
        InputError
            The model does not know it.
        """
        labels = labels_of(self.prepared.model.in_protocol(protocol))
        learnt = self.learnt
        return grown(labels, learnt) if protocol == learnt.name else labels

    def add_structure(self, structure: Structure) -> None:
        """Have one more structure that strokes may paint; belongs to the window's thread.

        Raises
        ------
        InputError
            Another structure has its id or its name.
        """
        own = self.learnt
        Protocol(own.name, (*own.structures, structure))
        self._added = (*self._added, structure)
        self.tallies_of(own).add_structure(structure.id)
        if self.protocol.name == own.name:
            self.labels = self.readouts[self.labels.name] = self.labels_in(own.name)

    @property
    def tallies(self) -> Tallies:
        """What was counted of the labels on the screen."""
        return self.tallies_of(self.protocol)

    def tallies_of(self, protocol: Protocol) -> Tallies:
        """What was counted of the labels in one of the model's protocols."""
        if protocol.name not in self._tallies:
            self._tallies[protocol.name] = Tallies(self.prepared, protocol)
        return self._tallies[protocol.name]

    def stores(self, iteration: int) -> bool:
        """Whether an iteration can be decoded."""
        return iteration in self.corrected or iteration in self.history.iterations

    def hold(self, iteration: int, purpose: str) -> bool:
        """Don't drop an iteration; see `History.hold`. None that strokes led to is ever dropped."""
        return iteration in self.corrected or self.history.hold(iteration, purpose)

    def lacks(self, iteration: int, region: Region) -> list[Readout]:
        """The readouts that are not decoded yet at a region of an iteration."""
        return [
            readout
            for readout in list(self.readouts.values())
            # Positions are for the mouse: a coarse volume and the plane on the screen will do.
            if not (region == WHOLE and readout.name == POSITIONS)
            and not self.pictures.has(iteration, readout.name, region)
        ]

    def decode(self, iteration: int, region: Region) -> Iterator[None]:
        """Steps that decode what is lacking at a region of an iteration.

        Raises
        ------
        InputError
            The iteration is not stored any more.
        """
        lacking = self.lacks(iteration, region)
        if not lacking:
            return
        numbers = self.pictures.numbers(region)
        reads = {readout.name: readout.read for readout in lacking}
        found: dict[str, np.ndarray] = {}
        size = _PIECE if region == WHOLE else _AT_ONCE
        for start in range(0, max(1, len(numbers)), size):
            if start:
                yield
            piece = numbers[start : start + size]
            decoded = self.read(iteration, piece, reads)
            for readout in lacking:
                values = readout.finish(decoded[readout.name], piece)
                if readout.protocol is not None:
                    values = self.corrected.lay_over(iteration, values, piece, readout.protocol)
                if readout.name not in found:
                    shape = (len(numbers), *values.shape[1:])
                    found[readout.name] = np.empty(shape, values.dtype)
                found[readout.name][start : start + len(piece)] = values
        for name, values in found.items():
            self.pictures.put(iteration, name, region, values)
        for readout in lacking:
            if readout.protocol is not None and region in (COARSE, WHOLE):
                sample = None if region == WHOLE else self.pictures.sample(region)
                self.tallies_of(readout.protocol).add(iteration, found[readout.name], sample)

    def read(
        self,
        iteration: int,
        numbers: np.ndarray,
        reads: Mapping[str, Callable[[PointValues], Tensor]],
    ) -> dict[str, np.ndarray]:
        """Evaluate the network of an iteration at some brain points; see `decode_all`."""
        import torch

        from src_core.fitting.decode import decode_all

        network = self._at(iteration)
        which = torch.from_numpy(numbers).to(self.prepared.device)
        return decode_all(network, self.prepared.points, reads, which, self._workers)

    def learn(self, strokes: Sequence[Stroke], after: int | None) -> Generator[None, None, int]:
        """Steps that learn strokes, and the number of the iteration that they lead to.

        Parameters
        ----------
        strokes : sequence of Stroke
        after : int or None
            The iteration of earlier strokes to go on from; None: the newest of the fit.
        """
        fitted = self._at(self.fit.iteration)
        return self.corrected.learn(strokes, after, fitted, self.learnt)

    def segmentation(self, iteration: int) -> Segmentation:
        """The result of an iteration that is decoded everywhere, as the API gives it.

        Runs the network. Of all iterations the result holds this one only.

        Raises
        ------
        LookupError
            The iteration is not decoded everywhere.
        InputError
            The iteration is not stored any more.
        """
        from src_core.fitting.history import History
        from src_core.results.report import describe
        from src_core.results.segmentation import Segmentation

        labels = self.label_map(iteration)
        prepared = self._prepared_as_told()
        network = deepcopy(self._at(iteration))
        network.head.sums = prepared.model.sums()
        history = History(network)
        history.record(iteration)
        stroke = self.corrected.stroke(iteration)
        # A stroke follows the fit, and is no iteration of it.
        fitted = iteration if stroke is None else self.fit.iteration
        painted = replace(prepared, corrections=stroke)
        report = describe(painted, labels, network, self.fit, fitted)
        if fitted != self.fit.iteration:
            report["stop_reason"] = "chosen in the viewer"
        return Segmentation.of(prepared, labels, report, history, network)

    def mean_dice(self, iteration: int) -> float:
        """Mean Dice of the labels of an iteration as far as it is known; nan if it is not."""
        tally = self.tallies.best(iteration)
        return math.nan if tally is None else tally.mean_dice

    def notes_on_result(self, iteration: int) -> tuple[str, ...]:
        """What the user should know about an iteration that is decoded everywhere.

        Runs the network. Of an iteration that is not the last one of a whole fit nothing is said.
        """
        from src_core.preparation.findings import messages
        from src_core.results.quality import check_result
        from src_core.results.report import psnr_inside

        tally = self.tallies.get(iteration, exact=True)
        if tally is None or iteration != self.fit.iteration or not self.fit.stop_reason:
            return ()
        psnr = psnr_inside(self._at(iteration), self.prepared.points, self.fit.settings.seed)
        volumes = {label: 1000 * volume for label, volume in tally.volumes.items()}
        return messages(check_result(self._prepared_as_told(), volumes, psnr, iteration))

    def label_map(self, iteration: int) -> np.ndarray:
        """Label ids of all voxels, shape (I, J, K).

        Raises
        ------
        LookupError
            The iteration is not decoded everywhere.
        """
        values = self.pictures.get(iteration, self.labels.name, WHOLE)
        if values is None:
            raise LookupError(f"iteration {iteration} is not decoded everywhere")
        label_map = unmask(values, self.prepared.mask)
        return self.corrected.lay_outside(iteration, label_map, self.protocol)

    def number_at(self, voxel: tuple[int, int, int]) -> int | None:
        """Number of the brain point at a voxel; None outside the brain."""
        i, j, k = voxel
        numbers = self.pictures.regions.plane(0, i)
        flat = self.pictures.regions.indices[numbers, 1].astype(np.int64) * self.scan.shape[2]
        flat += self.pictures.regions.indices[numbers, 2]
        wanted = j * self.scan.shape[2] + k
        index = int(np.searchsorted(flat, wanted))
        return int(numbers[index]) if index < len(flat) and flat[index] == wanted else None

    def describe_point(self, number: int) -> str:
        """Structure and template position of a brain point, as far as there are any decoded."""
        label = self.pictures.value(self.shown, self.labels.name, number)
        position = self.pictures.value(self.shown, POSITIONS, number)
        names = {structure.id: structure.name for structure in self.protocol.structures}
        words = [] if label is None else [names.get(int(label), "background")]
        if position is not None and not self.prepared.model.card.untrained:
            words.append("MNI " + " ".join(f"{round(float(value))}" for value in position))
        return " · ".join(words)

    def _prepared_as_told(self) -> Preparation:
        """The prepared scan with a model whose labels are told as they are on the screen."""
        return replace(self.prepared, model=self.model)

    def _at(self, iteration: int) -> CoordinateNetwork:
        """The network of an iteration, until another one is asked for."""
        if iteration in self.corrected:
            return self.corrected.network(iteration)
        if self._loaded != iteration:
            self.history.load(iteration, self._network)
            self._loaded = iteration
        return self._network
