"""Stage *examples*: scans as points, plain and changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from src_core.datasets.bids import subject_of
from src_core.datasets.mapping import read_mapping
from src_core.errors import InputError
from src_core.io.export import image_stem
from src_core.io.files import complete_files
from src_core.space.intensity import IntensityRule
from src_core.training import distributed
from src_core.training.changes.tissues import Tissues
from src_core.training.examples.maker import Maker
from src_core.training.examples.reference import mni152_reference, normalised
from src_core.training.examples.rules import slice_rule, volume_rule
from src_core.training.examples.store import ensure_examples, load_examples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

    from src_core.space.template import TemplateImage
    from src_core.training.examples.example import Example
    from src_core.training.task import Task


@dataclass(frozen=True, eq=False)
class Examples:
    """What is learned from and judged on.

    Attributes
    ----------
    rule : IntensityRule
        How intensities were normalised.
    picture : TemplateImage
        What single slices are put in, and what a network without a template network starts from.
    train : list of Example
        All variants of the training scans.
    val : list of Example
        The validation scans as they are.
    classes : dict of Tensor, shape (N,), uint8
        Class of each point, by the example's name.
    """

    rule: IntensityRule
    picture: TemplateImage
    train: list[Example]
    val: list[Example]
    classes: dict[str, Tensor]

    @property
    def plain(self) -> list[Example]:
        """Those to train on that are as they came, or mirrored."""
        return [example for example in self.train if example.variant < 2]

    @property
    def changed(self) -> list[Example]:
        """Those to train on that were changed at random; the plain ones if there are none."""
        return [example for example in self.train if example.variant >= 2] or self.plain


def make_examples(task: Task, picture: TemplateImage | None) -> Examples:
    """See all scans as points, in all variants.

    Parameters
    ----------
    task : Task
    picture : TemplateImage or None
        As the given model draws it; None: the one of MNI152 is taken.

    Raises
    ------
    InputError
        The cache folder holds examples of another intensity rule or of an earlier version, or a
        label map can't be used.
    """
    reference = mni152_reference()
    rule = _intensity_rule(task, reference)
    picture = picture or normalised(reference, rule)
    makers = _makers(task, reference, picture, rule)
    folder = task.settings.cache_folder / "examples"
    for name, make in distributed.progress(distributed.own(makers), "examples"):
        ensure_examples(folder / f"{name}.pt", make)
    distributed.wait()
    found = Examples(rule, picture, [], [], {})
    for name, make in makers:
        for example in load_examples(folder / f"{name}.pt", make):
            (found.val if example.split == "val" else found.train).append(example)
            found.classes[example.name] = example.classes(task.mapping, task.protocol)
    return found


def _makers(
    task: Task, reference: TemplateImage, picture: TemplateImage, rule: IntensityRule
) -> list[tuple[str, Callable[[], list[Example]]]]:
    """What makes the examples of each file, with the file's name."""
    settings = task.settings.examples
    maker = Maker(
        reference,
        picture,
        rule,
        Tissues.of(task.tissues, read_mapping(task.settings.data, task.tissues)),
        settings,
        task.settings.seed,
        task.mirrors,
    )
    makers: list[tuple[str, Callable[[], list[Example]]]] = [
        (f"{scan.name}-{variant}", partial(maker.make, scan, variant))
        for scan in task.scans
        for variant in maker.variants(settings.variants if scan.split == "train" else 1)
    ]
    makers += [
        (f"{image_stem(path)}-{variant}", partial(maker.synthesise, path, variant))
        for path in _label_maps(task)
        for variant in range(2, 2 + settings.synthetic)
    ]
    return makers


def _label_maps(task: Task) -> list[Path]:
    """Images in a folder, by name; none without a folder. None may be of a person held out."""
    folder = task.settings.examples.label_maps
    if folder is None:
        return []
    found = [path for pattern in ("*.nii", "*.nii.gz", "*.mgz") for path in folder.glob(pattern)]
    if not found:
        raise InputError(f"label_maps: {folder} holds no .nii, .nii.gz or .mgz file")
    taken = {scan.name for scan in task.everybody}
    taken |= {scan.subject for scan in task.everybody if scan.split != "train"}
    for path in found:
        if {image_stem(path), subject_of(image_stem(path))} & taken:
            raise InputError(f"label_maps: {path} has the name of a scan, or of a subject held out")
    return sorted(found)


def _intensity_rule(task: Task, reference: TemplateImage) -> IntensityRule:
    """The rule of the given model, or else one that is measured once and kept in a file."""
    settings = task.settings
    path = settings.cache_folder / "examples" / "intensity.json"
    given = task.earlier or (None if settings.examples.slices else task.template)
    if distributed.rank() == 0 and not path.exists():
        goals = (given.rule if given else _measured_rule(task, reference)).goals
        with complete_files([path], overwrite=True) as (file,):
            file.write_text(json.dumps(goals), encoding="utf-8")
    distributed.wait()
    rule = IntensityRule(tuple(json.loads(path.read_text(encoding="utf-8"))))
    if given and rule != given.rule:
        raise InputError(
            f"{settings.cache_folder}: holds examples with another intensity rule than that of "
            f"{given.name}; name another cache folder"
        )
    return rule


def _measured_rule(task: Task, reference: TemplateImage) -> IntensityRule:
    train = [scan for scan in task.scans if scan.split == "train"]
    rule = task.template.rule if task.template else volume_rule(train)
    slices = task.settings.examples.slices
    return slice_rule(train, rule, reference, slices) if slices else rule
