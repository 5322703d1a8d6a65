"""The scans that all methods learn from, in the form of points with classes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from src_core.datasets.find import read_scans
from src_core.datasets.mapping import read_mapping
from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.io.protocols import protocol
from src_core.preparation.alignment import align
from src_core.space.intensity import IntensityRule
from src_core.space.points import BrainPoints, Points, brain_points
from src_core.space.regions import unmask
from src_core.training.cache import claim
from src_core.training.changes.tissues import Tissues
from src_core.training.examples.claim import examples_depend_on
from src_core.training.examples.maker import Maker

# The very picture that the models of this project are aligned to when they are trained.
from src_core.training.examples.reference import mni152_reference
from src_core.training.examples.rules import volume_rule
from src_core.training.examples.store import load_examples
from src_core.training.settings import ExampleSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from src_core.datasets.labelled import LabelledScan
    from src_core.io.labels import Protocol
    from src_core.io.scan import Scan
    from src_core.space.template import TemplateImage

SEED = 0


@dataclass(frozen=True, eq=False)
class LabelledPoints:
    """Points of one scan, or of a changed one, with their classes.

    Attributes
    ----------
    name : str
        Of the scan, with the number of the variant.
    unchanged : bool
        The scan is as it came, or mirrored.
    points : BrainPoints
    classes : Tensor, shape (N,), uint8
    """

    name: str
    unchanged: bool
    points: BrainPoints
    classes: Tensor

    def draw(self, count: int, generator: torch.Generator) -> tuple[Points, Tensor]:
        """Random points and their classes."""
        which = torch.randint(len(self.points), (count,), generator=generator)
        return self.points.take(which), self.classes[which]


@dataclass(frozen=True, eq=False)
class Task:
    """What is learned from which scans.

    Attributes
    ----------
    data : DataSettings
    protocol : Protocol
    cache : Path
        Folder of the points of the scans; may be that of a training of this project with the same
        examples.
    learned : tuple of str
        Names of the training scans that are used; empty: all.
    """

    data: DataSettings
    protocol: Protocol
    cache: Path
    learned: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: Path, name: str, cache: Path, learned: Sequence[str] = ()) -> Task:
        """The task of a folder of labelled scans and one of the package's protocols."""
        return cls(DataSettings(folder), protocol(name), cache, tuple(learned))

    @cached_property
    def mapping(self) -> np.ndarray:
        """Class by label id."""
        return read_mapping(self.data, self.protocol)

    @cached_property
    def scans(self) -> list[LabelledScan]:
        """Of all splits."""
        return read_scans(self.data)

    def of_split(self, split: str) -> list[LabelledScan]:
        """The scans of "train", as far as they are used, of "val" or of "test"."""
        found = [scan for scan in self.scans if scan.split == split]
        if split != "train" or not self.learned:
            return found
        unknown = set(self.learned) - {scan.name for scan in found}
        if unknown:
            raise InputError(f"{', '.join(sorted(unknown))}: no training scans; see subjects.csv")
        return [scan for scan in found if scan.name in self.learned]

    @cached_property
    def reference(self) -> TemplateImage:
        """What scans are aligned to."""
        return mni152_reference()

    @cached_property
    def rule(self) -> IntensityRule:
        """Intensity rule of all training scans."""
        path = self._examples / "intensity.json"
        if not path.exists():
            goals = volume_rule([scan for scan in self.scans if scan.split == "train"]).goals
            path.write_text(json.dumps(goals))
        return IntensityRule(tuple(json.loads(path.read_text())))

    @cached_property
    def _examples(self) -> Path:
        folder = self.cache / "examples"
        # What a training of this project claims for its examples, so that both can share them.
        scans = [scan for scan in self.scans if scan.split != "test"]
        seen = examples_depend_on(self.data, scans, _EXAMPLES, _TISSUES, True, None, SEED)
        claim(folder, seen)
        return folder

    def examples(self, split: str, variants: int = 1) -> list[LabelledPoints]:
        """Scans of a split as points, each in some variants.

        Parameters
        ----------
        split : {"train", "val"}
        variants : int
            1: as they are, 2: also mirrored, more: also changed at random.
        """
        maker = Maker(
            self.reference,
            self.reference,
            self.rule,
            Tissues.of(_TISSUES, read_mapping(self.data, _TISSUES)),
            _EXAMPLES,
            SEED,
            mirrors=True,
        )
        found: list[LabelledPoints] = []
        for scan in self.of_split(split):
            for variant in range(variants):
                path = self._examples / f"{scan.name}-{variant}.pt"
                found += [
                    LabelledPoints(
                        e.name, variant < 2, e.points, e.classes(self.mapping, self.protocol)
                    )
                    for e in load_examples(path, partial(maker.make, scan, variant))
                ]
        return found

    def points(self, scan: Scan, brain: np.ndarray) -> BrainPoints:
        """All brain voxels of a scan, in template space."""
        return brain_points(scan, brain, align(scan, brain, self.reference).matrix, self.rule)

    def label_map(self, brain: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Label ids (I, J, K) from the classes of the brain voxels (N,)."""
        return self.protocol.to_ids(unmask(classes, brain))


_EXAMPLES = ExampleSettings(tissues="fs32")
_TISSUES = protocol(_EXAMPLES.tissues)
