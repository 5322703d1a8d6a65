"""Make a model from labelled scans.

Stages, each resumable: *examples* (scans as points, plain and changed), *group* (warped family:
the mean picture, sharpened by warping), *start* (the shared weights; siren family: learned
through the fit), *fits* (every example fitted as at test time, from intensities alone), *head*
(trained on the fitted networks, because test-time fitting never sees labels), *model file*.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from src_core.datasets.bids import subject_of
from src_core.datasets.find import read_scans
from src_core.datasets.labelled import LabelledScan, check
from src_core.datasets.mapping import read_mapping
from src_core.errors import InputError
from src_core.fitting.decode import decode
from src_core.fitting.device import choose_device
from src_core.fitting.fit import Fit
from src_core.fitting.settings import FitSettings
from src_core.io.export import image_stem
from src_core.io.files import complete_files
from src_core.io.labels import Protocol, protocol
from src_core.models.model import (
    FORMAT,
    Model,
    build_network,
    bundled_models,
    load_model,
    write_model,
)
from src_core.networks.sine import CHUNK
from src_core.networks.warped import WarpedNetwork
from src_core.space.intensity import IntensityRule
from src_core.space.points import Points
from src_core.space.seen import BLURS
from src_core.training import distributed
from src_core.training.cache import claim, ensure, load_or_make
from src_core.training.changes.mirroring import mirrored_classes
from src_core.training.changes.tissues import Tissues
from src_core.training.config import to_json
from src_core.training.examples.maker import (
    Example,
    Maker,
    examples_depend_on,
    mni152_reference,
    slice_rule,
    volume_rule,
)
from src_core.training.loop import optimise
from src_core.training.losses import dice_per_class, nan_mean, segmentation_loss
from src_core.training.plots import write_curves
from src_core.training.stages.group import GroupMean
from src_core.training.stages.meta import meta_train

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from src_core.networks.base import CoordinateNetwork
    from src_core.networks.siren import SirenNetwork
    from src_core.space.template import TemplateImage
    from src_core.training.settings import MetaSettings, TrainingSettings

TEMPLATE_POINTS = 4
"""Places at which the template network is compared with the mean picture, per point of a scan."""
TEMPLATE_WEIGHT = 30.0
"""Of the squared error of intensities beside the loss of labels."""
UNKNOWN_LICENCE = "not stated; that of the label maps may bind"
JUDGED_POINTS = 40_000
"""Of each scan that is not trained on."""


def train(settings: TrainingSettings) -> None:
    """Train a model and write its file; run again, it goes on where it was interrupted.

    Parameters
    ----------
    settings : TrainingSettings

    Raises
    ------
    InputError
        The data can't be used, a folder belongs to another training, or the loss is no longer
        finite.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = distributed.join(choose_device(settings.device))
    torch.manual_seed(settings.seed)
    training = _Training(settings, device)
    training.examples()
    if settings.from_model is None:
        if settings.family == "warped" and settings.template is None:
            training.group()
        if settings.family == "siren" or settings.template is None:
            training.start()
    if settings.meta:
        training.meta(settings.meta)
    training.fits()
    training.head()
    if distributed.rank() == 0:
        training.write()
        logs = [training.work / f"{name}.csv" for name in ("start", "meta", "head", "head-scores")]
        write_curves(logs, training.work / "curves.png")
    distributed.wait()


class _Training:
    """The stages, over one work folder."""

    def __init__(self, settings: TrainingSettings, device: torch.device):
        self.settings = settings
        self.device = device
        self.protocol: Protocol = settings.read_protocol()
        self.everybody = read_scans(settings.data)
        self.scans = [scan for scan in self.everybody if scan.split in ("train", "val")]
        self.mapping = read_mapping(settings.data, self.protocol)
        check(self.scans, self.mapping)
        tissues = settings.examples.tissues
        self.tissues = protocol(tissues) if tissues else self.protocol
        self.mirrors = mirrored_classes(self.protocol) is not None
        self.template = _load(settings.template) if settings.template else None
        self.earlier = _load(settings.from_model) if settings.from_model else None
        self.given = self.earlier or self.template
        self.fit = settings.fit or (self.earlier.fit if self.earlier else FitSettings())
        self.whole_fit = dataclasses.replace(
            self.fit, seed=settings.seed, look_every=0, earliest_stop=None
        )
        self.network = self._network().to(device)
        drawn = self.given.picture() if self.given else None
        self.work = settings.work or settings.output.with_suffix(".training")
        self.shelf = settings.cache or self.work
        self._claim_folders(drawn if settings.examples.slices else None)
        self.reference = mni152_reference()
        self.rule = self._rule()
        # What single slices are put in, and what a network of the siren family starts from.
        self.picture = drawn or _normalised(self.reference, self.rule)
        self.train: list[Example] = []
        self.val: list[Example] = []
        self.classes: dict[str, Tensor] = {}
        self.image: TemplateImage | None = None
        self.places: dict[str, Tensor] = {}
        self.weights: dict[str, Tensor] = {}

    def _claim_folders(self, slice_picture: TemplateImage | None) -> None:
        settings = self.settings
        seen = examples_depend_on(
            settings.data,
            self.scans,
            settings.examples,
            self.tissues,
            self.mirrors,
            slice_picture,
            settings.seed,
        )
        trained = {
            "family": settings.family,
            "protocol": self.protocol.to_json(),
            "mapping": self.mapping.tolist(),
            "architecture": self.network.settings,
            "fit": self.fit,
            "rounds": settings.rounds,
            "template": self.given.sha256 if self.given else None,
            "start": settings.start,
            "meta": settings.meta,
            "outer": settings.outer,
            "head": settings.head,
            "unchanged": settings.unchanged,
        }
        if distributed.rank() == 0:
            claim(self.shelf / "examples", seen)
            claim(self.work, seen | to_json(trained))
        distributed.wait()

    def _network(self) -> CoordinateNetwork:
        """Where training begins: with random weights, a template network, or all of a model."""
        settings = self.settings
        if self.earlier:
            _check_kind(self.earlier, settings, self.protocol)
            return self.earlier.network()
        architecture = {"classes": len(self.protocol.ids)} | settings.network.chosen()
        network = build_network(settings.family, architecture)
        if self.template and settings.family == "warped":
            _take_over(self.template, network)
        return network

    def _rule(self) -> IntensityRule:
        path = self.shelf / "examples" / "intensity.json"
        given = self.earlier or (None if self.settings.examples.slices else self.template)
        if distributed.rank() == 0 and not path.exists():
            goals = (given.rule if given else self._measured_rule()).goals
            with complete_files([path], overwrite=True) as (file,):
                file.write_text(json.dumps(goals))
        distributed.wait()
        rule = IntensityRule(tuple(json.loads(path.read_text())))
        if given and rule != given.rule:
            raise InputError(
                f"{self.shelf}: holds examples with another intensity rule than that of "
                f"{given.name}; name another cache folder"
            )
        return rule

    def _measured_rule(self) -> IntensityRule:
        train = [scan for scan in self.scans if scan.split == "train"]
        rule = self.template.rule if self.template else volume_rule(train)
        slices = self.settings.examples.slices
        return slice_rule(train, rule, self.reference, slices) if slices else rule

    def examples(self) -> None:
        """All variants of the training scans, and the validation scans as they are."""
        settings = self.settings.examples
        maker = Maker(
            self.reference,
            self.picture,
            self.rule,
            Tissues.of(self.tissues, read_mapping(self.settings.data, self.tissues)),
            settings,
            self.settings.seed,
            self.mirrors,
        )
        makers = [
            (f"{scan.name}-{variant}", partial(maker.make, scan, variant))
            for scan in self.scans
            for variant in maker.variants(settings.variants if scan.split == "train" else 1)
        ]
        makers += [
            (f"{image_stem(path)}-{variant}", partial(maker.synthesise, path, variant))
            for path in _label_maps(settings.label_maps, self.everybody)
            for variant in range(2, 2 + settings.synthetic)
        ]
        for name, make in _bar(distributed.own(makers), "examples"):
            ensure(self.shelf / "examples" / f"{name}.pt", make)
        distributed.wait()
        for name, make in makers:
            for example in load_or_make(self.shelf / "examples" / f"{name}.pt", make):
                (self.val if example.split == "val" else self.train).append(example)
                self.classes[example.name] = example.classes(self.mapping, self.protocol)

    def group(self) -> None:
        """The mean of the plain and mirrored training scans, warped onto it round by round."""
        path = self.shelf / f"group-{self._fingerprint(rounds=self.settings.rounds)}.pt"
        if distributed.rank() == 0:
            ensure(path, self._group)
        distributed.wait()
        self.image, self.places = load_or_make(path, self._group)

    def _group(self) -> tuple[TemplateImage, dict[str, Tensor]]:
        """The mean picture, and where in it the points of each example lie at last."""
        settings = self.network.settings
        fit = dataclasses.replace(self.fit, iterations=settings.warp_iterations, look_every=0)
        plain = [example for example in self.train if example.variant < 2]
        places: dict[str, Tensor] = {}
        image: TemplateImage | None = None
        for turn in range(self.settings.rounds + 1):
            mean = GroupMean(settings.box_low, settings.box_high)
            for example in _bar(plain, f"group {turn}"):
                single = self.network.facing(image)
                if image is not None:
                    for _ in Fit(single, example.points, fit):
                        pass
                warped = torch.from_numpy(decode(single, example.points, "positions"))
                places[example.name] = warped
                everything = example.points.take(slice(None))
                bias = single.bias_factors(everything.positions).detach()
                mean.add(example.volume, warped, everything.seen[:, : len(BLURS)] * bias[:, None])
            if image is None or turn < self.settings.rounds:
                image = mean.image()
        assert image is not None
        return image, places

    def start(self) -> None:
        """Train the shared weights jointly on all scans; no inner loop."""
        unchanged = [example for example in self.train if example.variant < 2]
        names = self.network.shared_state().keys()
        shared = [value for name, value in self.network.named_parameters() if name in names]
        loop = self.settings.start
        image = self.image or self.picture
        inside = torch.nonzero(image.values[0] > 0.05)

        def losses(generator: torch.Generator) -> dict[str, Tensor]:
            predicted, errors = [], []
            for example in _some(unchanged, loop.scans, generator):
                which, points = self._draw(example, loop.points, generator)
                if self.image is not None:
                    # The warp is known from the group stage, so the positions are warped already.
                    points = Points(self.places[example.name][which].to(self.device), points.seen)
                # Intensities and labels are read off the same activations.
                activations = self.network.activations(points.positions)
                if self.image is None:
                    shown = self.network.read_intensity(activations, points)
                    errors.append((shown - points.seen[:, 0]).square().mean())
                logits = self.network.read_logits(activations, points.positions, points)
                predicted.append(self._beside_truth(logits, example, which))
            errors.append(self._picture_error(image, inside, generator))
            squared, labels = torch.stack(errors).mean(), _label_loss(predicted)
            loss = TEMPLATE_WEIGHT * squared + labels
            return {"loss": loss, "squared_error": squared, "labels": labels}

        optimise("start", self.work, shared, loop, self.settings.seed, losses)

    def _picture_error(
        self, image: TemplateImage, inside: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Of what the network shows at its start; half of the places are in voxels `inside`."""
        count = TEMPLATE_POINTS * self.settings.start.points // 2
        origin = torch.tensor(image.origin)
        size = torch.tensor(image.values.shape[1:])
        chosen = inside[_numbers(len(inside), count, generator)]
        anywhere = torch.rand(count, 3, generator=generator) * (size - 1)
        jitter = torch.rand(count, 3, generator=generator) - 0.5
        where = torch.cat([chosen + jitter, anywhere]) * image.spacing + origin
        shown = self._shown(where.to(self.device))
        return (shown - image.sample(where).to(self.device)).square().mean()

    def _shown(self, positions: Tensor) -> Tensor:
        """What the network takes for the template, shape (N, channels)."""
        return self.network.template_intensities(positions)

    def meta(self, settings: MetaSettings) -> None:
        """Move the start to where a few steps of a fit lead to good features."""
        examples = [
            (example.points, self.classes[example.name])
            for example in self.train
            if example.variant < 2
        ]
        network, seed = cast("SirenNetwork", self.network), self.settings.seed + 2
        meta_train(network, examples, settings, self.settings.outer, self.work, seed)

    def fits(self) -> None:
        """Fit every example from the start, as at test time, and keep the weights."""
        begin = self.network.fitted_vector()
        start = hashlib.sha256(begin.numpy().tobytes()).hexdigest()
        folder = self.shelf / f"fits-{self._fingerprint(start=start)}"

        def fitted(example: Example) -> Tensor:
            def make() -> Tensor:
                self.network.load_fitted(begin)
                for _ in Fit(self.network, example.points.to(self.device), self.whole_fit):
                    pass
                return self.network.fitted_vector()

            return load_or_make(folder / f"{example.name}.pt", make)

        examples = self.train + self.val
        for example in _bar(distributed.own(examples), "fits"):
            fitted(example)
        distributed.wait()
        self.weights = {example.name: fitted(example) for example in examples}
        self.network.load_fitted(begin)

    def _fingerprint(self, **others: Any) -> str:
        """Of what fits depend on besides the examples; heads are read after them."""
        architecture = self.network.settings.of_the_fit()
        told = to_json({"fit": self.whole_fit, "network": architecture, **others})
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]

    def head(self) -> None:
        """Train the head on the fitted networks."""
        begin = self.network.fitted_vector()
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        head = self.network.head
        loop = self.settings.head
        plain = [example for example in self.train if example.variant < 2]
        changed = [example for example in self.train if example.variant >= 2] or plain

        def losses(generator: torch.Generator) -> dict[str, Tensor]:
            predicted = []
            draws = torch.rand(loop.scans, generator=generator)
            several = int((draws < self.settings.unchanged).sum())
            chosen = _some(plain, several, generator)
            for example in chosen + _some(changed, loop.scans - several, generator):
                self.network.load_fitted(self.weights[example.name])
                which, points = self._draw(example, loop.points, generator)
                logits = self.network.logits(points)
                predicted.append(self._beside_truth(logits, example, which))
            return {"loss": _label_loss(predicted)}

        parameters, seed = list(head.parameters()), self.settings.seed + 1
        optimise("head", self.work, parameters, loop, seed, losses, self._judge)
        self.scores = self._card_scores()
        self.network.load_fitted(begin)

    def _draw(
        self, example: Example, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Points]:
        """Random points of an example, and their numbers."""
        which = _numbers(len(example.points), count, generator)
        points = example.points.take(which)
        return which, points.to(self.device)

    def _beside_truth(
        self, logits: Tensor, example: Example, which: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Class scores of some points of an example, and their classes."""
        if not logits.isfinite().all():
            raise InputError(
                f"the class scores are not finite for the scan {example.name}; the last checkpoint "
                f"in {self.work} stays: look at the scan, or lower the rate"
            )
        return logits, self.classes[example.name][which].to(self.device)

    @torch.no_grad()
    def _scores(self) -> list[list[float]]:
        """Dice of each foreground class in each validation scan; nan in neither label map."""
        scores = []
        for example in self.val:
            self.network.load_fitted(self.weights[example.name])
            points = example.points.take(slice(0, JUDGED_POINTS))
            found = [
                self.network.logits(piece.to(self.device)).argmax(1)
                for piece in points.split(CHUNK)
            ]
            truth = self.classes[example.name][: len(points)]
            scores.append(dice_per_class(torch.cat(found).cpu(), truth, len(self.protocol.ids)))
        return scores

    def _judge(self) -> dict[str, float]:
        """Mean foreground Dice of each validation scan, and the mean of these."""
        means = [nan_mean(own) for own in self._scores()]
        names = [example.name for example in self.val]
        mean = nan_mean(means)
        return {} if math.isnan(mean) else {**dict(zip(names, means, strict=True)), "mean": mean}

    def _card_scores(self) -> dict[str, Any]:
        """What the card says of the scans that are not trained on."""
        scores = self._scores()
        mean = nan_mean(nan_mean(own) for own in scores)
        if math.isnan(mean):
            return {}
        by_structure = {
            structure.name: nan_mean(own)
            for structure, own in zip(
                self.protocol.structures, zip(*scores, strict=True), strict=True
            )
        }
        measured = "Dice on random points of the validation scans, mean over scans"
        trained = self.earlier.card["training"].get("scans", {}) if self.earlier else {}
        if known := {scan.name for scan in self.scans if scan.split == "val"} & set(
            trained.get("train", [])
        ):
            measured += f"; training had begun on {', '.join(sorted(known))}"
        return {
            "measured": measured,
            "dice": {
                name: round(own, 4) for name, own in by_structure.items() if not math.isnan(own)
            },
            "mean_foreground": round(mean, 4),
        }

    def write(self) -> None:
        """Write the model file."""
        settings, fit = self.settings, self.fit
        architecture = self.network.settings.to_json()
        by_split: dict[str, list[str]] = {}
        for scan in self.scans:
            by_split.setdefault(scan.split, []).append(scan.name)
        training = {
            "scans": by_split,
            "command": f"napari-metaseg train {settings.name or settings.output.stem}.toml",
            "seed": settings.seed,
        }
        if self.earlier:
            training["from_model"] = {"name": self.earlier.name, "sha256": self.earlier.sha256}
        card = {
            "format": FORMAT,
            "name": settings.name or settings.output.stem,
            "description": settings.description
            or f"T1-weighted, skull-stripped brain; {self.protocol.name}",
            "family": settings.family,
            "architecture": architecture,
            "protocol": self.protocol.to_json(),
            "space": "MNI152, mm (RAS)",
            "intensity_goals": list(self.rule.goals),
            "fit": {
                "iterations": fit.iterations,
                "points": fit.points,
                "earliest_stop": fit.earliest_stop,
            },
            "training": training,
            "scores": self.scores or self._earlier_scores(),
            "licence": settings.licence
            or (self.given.card["licence"] if self.given else UNKNOWN_LICENCE),
        }
        if settings.examples.slices:
            card["slice"] = to_json(settings.examples.slices.where)
        if picture := self._picture_model():
            card["picture"] = picture
        write_model(self.network, card, settings.output, settings.precision)

    def _picture_model(self) -> str | None:
        """Bundled model whose picture scans are aligned to, if it is not the network's own."""
        if self.earlier:
            return self.earlier.card.get("picture")
        if self.template and self.settings.family == "siren":
            return self.template.name if self.template.name in bundled_models() else None
        return None

    def _earlier_scores(self) -> dict[str, Any]:
        """Without scans to judge by, those of the model that training went on from."""
        if self.earlier is None or not self.earlier.card["scores"]:
            return {}
        scores = self.earlier.card["scores"]
        before = ", before it was trained further"
        return scores | {"measured": scores["measured"].removesuffix(before) + before}


def _load(path: Path) -> Model:
    """A model file, or a bundled model by its name."""
    return load_model(path.name if path.name in bundled_models() else path)


def _check_kind(model: Model, settings: TrainingSettings, known: Protocol) -> None:
    """Raise an `InputError` if a model can't be trained further with these settings."""
    slices = settings.examples.slices and settings.examples.slices.where
    for what, own, wanted in (
        ("family", model.card["family"], settings.family),
        ("protocol", model.protocol, known),
        ("slices", model.slices, slices),
    ):
        if own != wanted:
            raise InputError(f"from_model: {model.name} has another {what} than the settings")


def _take_over(model: Model, network: CoordinateNetwork) -> None:
    """Start from the template network of another model."""
    other = model.network()
    if not (isinstance(network, WarpedNetwork) and isinstance(other, WarpedNetwork)):
        raise InputError("template: only models of the warped family have a template network")
    try:
        network.template.load_state_dict(other.template.state_dict())
    except RuntimeError as error:
        raise InputError(
            f"template: {model.name} has another width or depth; give [network] the same"
        ) from error


def _normalised(image: TemplateImage, rule: IntensityRule) -> TemplateImage:
    """A picture with intensities as the rule gives them to scans."""
    shown = image.values.numpy()
    brain = shown > 0
    values = np.zeros_like(shown)
    values[brain] = rule.fit(shown[brain]).normalise(shown[brain])
    return dataclasses.replace(image, values=torch.from_numpy(values))


def _bar(items: Sequence[Any], name: str) -> Any:
    return tqdm(items, desc=name, unit="scan", disable=distributed.rank() > 0)


def _label_maps(folder: Path | None, scans: Sequence[LabelledScan]) -> list[Path]:
    """Images in a folder, by name; none without a folder. None may be of a person held out."""
    if folder is None:
        return []
    found = [path for pattern in ("*.nii", "*.nii.gz", "*.mgz") for path in folder.glob(pattern)]
    if not found:
        raise InputError(f"label_maps: {folder} holds no .nii, .nii.gz or .mgz file")
    taken = {scan.name for scan in scans}
    taken |= {scan.subject for scan in scans if scan.split != "train"}
    for path in found:
        if {image_stem(path), subject_of(image_stem(path))} & taken:
            raise InputError(f"label_maps: {path} has the name of a scan, or of a subject held out")
    return sorted(found)


def _label_loss(predicted: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Loss of the class scores of several scans, taken together.

    Of a small structure a scan's few points say little, so their Dice alone would be noise.
    """
    logits, classes = zip(*predicted, strict=True)
    return segmentation_loss(torch.cat(logits), torch.cat(classes))


def _some(examples: list[Example], count: int, generator: torch.Generator) -> list[Example]:
    return [examples[int(i)] for i in _numbers(len(examples), count, generator)]


def _numbers(below: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(below, (count,), generator=generator)
