"""Make a model from a folder of scans with label maps.

Stages, each resumable: *examples* (scans as points, plain and changed), *group* (the mean
picture, sharpened by warping), *start* (the shared weights), *fits* (every example fitted as at
test time, from intensities alone), *head* (trained on the fitted networks, because
test-time fitting never sees labels), *model file*.
"""

import dataclasses
import json
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from src_core.alignment import SEARCH_SPACING
from src_core.decode import decode
from src_core.errors import InputError
from src_core.fit import Fit, FitSettings
from src_core.intensity import IntensityRule
from src_core.labels import Protocol, protocol, read_protocol
from src_core.model import FORMAT, build_network, write_model
from src_core.networks.base import CoordinateNetwork
from src_core.networks.sine import CHUNK
from src_core.networks.warped import WarpedNetwork
from src_core.points import BLURS, Points
from src_core.sample import mni152_t1
from src_core.template import TemplateImage
from src_core.training.cache import load_or_make
from src_core.training.config import to_json
from src_core.training.data import LabelledScan, check, read_mapping, read_scans
from src_core.training.examples import Example, make_example, mean_quantiles
from src_core.training.group import GridTemplate, GroupMean
from src_core.training.loop import optimise
from src_core.training.losses import dice_per_class, segmentation_loss
from src_core.training.settings import TrainingSettings

LICENCE = (
    "CC BY-NC 4.0, research use only. Trained on label maps provided by Neuromorphometrics, Inc. "
    "(http://Neuromorphometrics.com/) under academic subscription; the scans originate from the "
    "OASIS project (OASIS-1, Marcus et al. 2007; P50 AG05681, P01 AG03991, P01 AG026276, "
    "R01 AG021910, P20 MH071616, U24 RR021382)."
)


@dataclass(frozen=True)
class _Recipe:
    """Numbers that are not worth a command line option."""

    variants: int = 5
    rounds: int = 2
    fit: FitSettings = FitSettings(iterations=130, points=12288)
    examples_per_step: int = 8
    points_per_example: int = 2048
    template_points: int = 8192
    template_weight: float = 30.0
    start_rate: float = 1e-3
    head_rate: float = 1e-3
    judged_points: int = 40_000


def train(settings: TrainingSettings) -> None:
    """Train a model and write its file; run again, it goes on where it was interrupted.

    Parameters
    ----------
    settings : TrainingSettings

    Raises
    ------
    InputError
        The data can't be used, or the work folder belongs to another training.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    training = _Training(settings)
    examples = training.examples()
    if settings.family == "warped":
        training.group(examples)
    training.start(examples)
    training.fits(examples)
    training.head(examples)
    training.write()


class _Training:
    """The stages, over one work folder."""

    def __init__(self, settings: TrainingSettings):
        self.settings = settings
        self.protocol: Protocol = (
            read_protocol(settings.structures, settings.protocol)
            if settings.structures
            else protocol(settings.protocol)
        )
        self.recipe = _smoke_recipe() if settings.smoke else _Recipe()
        self.work = settings.work or settings.output.with_suffix(".training")
        scans = read_scans(settings.data, needed=("train",))
        self.subjects = [scan for scan in scans if scan.split in ("train", "val")]
        self.mapping = read_mapping(settings.data, self.protocol)
        check(self.subjects, self.mapping)
        self.network = build_network(settings.family, self._architecture())
        self._claim_work_folder()
        self.weights: dict[str, Tensor] = {}
        self.image: TemplateImage | None = None
        self.places: dict[str, Tensor] = {}
        self.rule = self._rule()

    def _architecture(self) -> dict[str, Any]:
        architecture: dict[str, Any] = {"classes": len(self.protocol.ids)}
        if self.settings.smoke:
            architecture |= {"width": 32, "depth": 3, "hidden": (32,)}
            if self.settings.family == "warped":
                architecture |= {"warp_iterations": 10}
        return architecture

    def _claim_work_folder(self) -> None:
        """A work folder serves one configuration only."""
        self.work.mkdir(parents=True, exist_ok=True)
        told = {
            key: value
            for key, value in to_json(self.settings).items()
            if key not in ("output", "work", "threads")
        }
        told["architecture"] = dataclasses.asdict(cast(Any, self.network).settings)
        told["recipe"] = dataclasses.asdict(self.recipe)
        content = json.dumps(told, indent=1)
        path = self.work / "settings.json"
        if path.exists() and path.read_text() != content:
            raise InputError(f"{self.work}: holds another training; name a new --work folder")
        path.write_text(content)

    def _of(self, split: str) -> list[LabelledScan]:
        return [subject for subject in self.subjects if subject.split == split]

    def _rule(self) -> IntensityRule:
        path = self.work / "intensity.json"
        if not path.exists():
            rule = mean_quantiles(self._of("train"))
            path.write_text(json.dumps(rule.goals))
        return IntensityRule(tuple(json.loads(path.read_text())))

    def examples(self) -> list[Example]:
        """All variants of the training scans, and the validation scans as they are."""
        reference = _reference()
        wanted = [
            (subject, variant)
            for subject in self.subjects
            for variant in range(self.recipe.variants if subject.split == "train" else 1)
        ]
        found = []
        for subject, variant in tqdm(wanted, desc="examples", unit="scan"):
            path = self.work / "examples" / f"{subject.name}-{variant}.pt"
            make = partial(
                make_example,
                subject,
                variant,
                self.mapping,
                self.protocol,
                reference,
                self.rule,
                self.settings.seed,
            )
            found.append(load_or_make(path, make))
        return found

    def group(self, examples: list[Example]) -> None:
        """The mean of the plain and mirrored training scans, warped onto it round by round."""
        plain = _unchanged(examples)
        path = self.work / "group.pt"
        self.image, self.places = load_or_make(path, lambda: self._group(plain))
        self._inside = torch.nonzero(self.image.values[0] > 0.05)

    def _group(self, plain: list[Example]) -> tuple[TemplateImage, dict[str, Tensor]]:
        """The mean picture, and where in it the points of each example lie at last."""
        settings = cast(WarpedNetwork, self.network).settings
        fit = dataclasses.replace(
            self.recipe.fit, iterations=settings.warp_iterations, look_every=0
        )
        places: dict[str, Tensor] = {}
        image: TemplateImage | None = None
        for turn in range(self.recipe.rounds + 1):
            mean = GroupMean(settings.box_low, settings.box_high)
            for example in tqdm(plain, desc=f"group {turn}", unit="scan"):
                single = WarpedNetwork(settings)
                if image is not None:
                    single.template = GridTemplate(image)  # type: ignore[assignment]
                    for _ in Fit(single, example.points, fit):
                        pass
                warped = torch.from_numpy(decode(single, example.points, "positions"))
                places[example.name] = warped
                everything = example.points.take(slice(None))
                bias = single.appearance.bias_field(everything.positions).detach()
                mean.add(example.volume, warped, everything.seen[:, : len(BLURS)] * bias[:, None])
            if image is None or turn < self.recipe.rounds:
                image = mean.image()
        return cast(TemplateImage, image), places

    def start(self, examples: list[Example]) -> None:
        """Train the shared weights jointly on all scans; no inner loop."""
        train = _unchanged(examples)
        shared = _shared_parameters(self.network)
        optimise(
            "start",
            self.work,
            shared,
            self.recipe.start_rate,
            self.settings.steps,
            self.settings.seed,
            lambda generator: self._start_losses(train, generator),
        )

    def _start_losses(self, train: list[Example], generator: torch.Generator) -> dict[str, Tensor]:
        entropy, error = [], []
        for example in _some(train, self.recipe.examples_per_step, generator):
            which = _numbers(len(example.points), self.recipe.points_per_example, generator)
            points = example.points.take(which)
            if self.image is not None:
                # The warp is known from the group stage, so the positions are warped already.
                points = Points(self.places[example.name][which], points.seen)
            else:
                error.append(self.network.error(points, 1).loss)
            entropy.append(segmentation_loss(self.network.logits(points), example.classes[which]))
        if self.image is not None:
            error.append(self._picture_error(self.image, generator))
        squared = torch.stack(error).mean()
        labels = torch.stack(entropy).mean()
        loss = self.recipe.template_weight * squared + labels
        return {"loss": loss, "squared_error": squared, "labels": labels}

    def _picture_error(self, image: TemplateImage, generator: torch.Generator) -> Tensor:
        """Of the template network, half of the points in the brain and half anywhere."""
        count = self.recipe.template_points // 2
        origin = torch.tensor(image.origin)
        size = torch.tensor(image.values.shape[1:])
        chosen = self._inside[_numbers(len(self._inside), count, generator)]
        anywhere = torch.rand(count, 3, generator=generator) * (size - 1)
        jitter = torch.rand(count, 3, generator=generator) - 0.5
        where = torch.cat([chosen + jitter, anywhere]) * image.spacing + origin
        template = cast(WarpedNetwork, self.network).template(where)
        return (template - image.sample(where)).square().mean()

    def fits(self, examples: list[Example]) -> None:
        """Fit every example from the start, as at test time, and keep the weights."""
        begin = self.network.fitted_vector()
        fit = dataclasses.replace(self.recipe.fit, seed=self.settings.seed, look_every=0)

        def fitted(example: Example) -> Tensor:
            self.network.load_fitted(begin)
            for _ in Fit(self.network, example.points, fit):
                pass
            return self.network.fitted_vector()

        for example in tqdm(examples, desc="fits", unit="scan"):
            path = self.work / "fits" / f"{example.name}.pt"
            self.weights[example.name] = load_or_make(path, partial(fitted, example))
        self.network.load_fitted(begin)

    def head(self, examples: list[Example]) -> None:
        """Train the head on the fitted networks."""
        begin = self.network.fitted_vector()
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        train = [e for e in examples if e.split == "train"]
        val = [e for e in examples if e.split == "val"]
        head = cast(Any, self.network).head
        optimise(
            "head",
            self.work,
            list(head.parameters()),
            self.recipe.head_rate,
            self.settings.steps,
            self.settings.seed + 1,
            lambda generator: self._head_losses(train, generator),
            judge=lambda: self._judge(val),
        )
        self.scores = self._card_scores(val)
        self.network.load_fitted(begin)

    def _card_scores(self, examples: list[Example]) -> dict[str, Any]:
        """What the card says of the scans that are not trained on."""
        if not examples:
            return {}
        scores = self._scores(examples)
        names = [structure.name for structure in self.protocol.structures]
        return {
            "measured": "Dice on random points of the validation scans, mean over scans",
            "dice": {
                name: round(float(np.nanmean(own)), 4)
                for name, own in zip(names, scores.T, strict=True)
                if not np.isnan(own).all()
            },
            "mean_foreground": round(float(np.nanmean(scores, axis=1).mean()), 4),
        }

    def _head_losses(self, train: list[Example], generator: torch.Generator) -> dict[str, Tensor]:
        losses = []
        for example in _some(train, self.recipe.examples_per_step, generator):
            self.network.load_fitted(self.weights[example.name])
            which = _numbers(len(example.points), self.recipe.points_per_example, generator)
            logits = self.network.logits(example.points.take(which))
            losses.append(segmentation_loss(logits, example.classes[which]))
        return {"loss": torch.stack(losses).mean()}

    @torch.no_grad()
    def _scores(self, examples: list[Example]) -> np.ndarray:
        """Dice of scans that are not trained on, shape (scans, foreground classes)."""
        scores = []
        for example in examples:
            self.network.load_fitted(self.weights[example.name])
            points = example.points.take(slice(0, self.recipe.judged_points))
            found = torch.cat([self.network.logits(p).argmax(1) for p in points.split(CHUNK)])
            truth = example.classes[: len(found)]
            scores.append(dice_per_class(found, truth, len(self.protocol.ids)))
        return np.array(scores)

    def _judge(self, examples: list[Example]) -> dict[str, float]:
        """Mean foreground Dice of each scan that is not trained on, and the mean of these."""
        if not examples:
            return {}
        means = np.nanmean(self._scores(examples), axis=1)
        by_name = {e.name: float(mean) for e, mean in zip(examples, means, strict=True)}
        return by_name | {"mean": float(means.mean())}

    def _command(self) -> str:
        """What makes the same model again; the configuration is named by a placeholder."""
        settings = self.settings
        words = ["napari-metaseg train CONFIG", f"--seed {settings.seed}"]
        return " ".join(words + (["--smoke"] if settings.smoke else []))

    def write(self) -> None:
        """Write the model file."""
        settings, fit = self.settings, self.recipe.fit
        architecture = dataclasses.asdict(cast(Any, self.network).settings)
        card = {
            "format": FORMAT,
            "name": settings.name or settings.output.stem,
            "description": f"T1-weighted, skull-stripped brain; {self.protocol.name}",
            "family": settings.family,
            "architecture": architecture,
            "protocol": self.protocol.to_json(),
            "space": "MNI152, mm (RAS)",
            "intensity_goals": list(self.rule.goals),
            "fit": {
                "iterations": fit.iterations,
                "points": fit.points,
                "earliest_stop": architecture.get("warp_iterations"),
            },
            "training": {
                "scans": {s: [x.name for x in self._of(s)] for s in ("train", "val")},
                "command": self._command(),
                "steps": settings.steps,
                "seed": settings.seed,
            },
            "scores": self.scores,
            "licence": LICENCE,
        }
        write_model(self.network, card, settings.output)


def _smoke_recipe() -> _Recipe:
    return _Recipe(
        variants=3,
        rounds=1,
        fit=FitSettings(iterations=12, points=2048),
        examples_per_step=2,
        points_per_example=512,
        template_points=1024,
        judged_points=5000,
    )


def _shared_parameters(network: CoordinateNetwork) -> list[Tensor]:
    names = network.shared_state().keys()
    return [parameter for name, parameter in network.named_parameters() if name in names]


def _unchanged(examples: list[Example]) -> list[Example]:
    """The training scans as they are and mirrored."""
    return [e for e in examples if e.split == "train" and e.name.endswith(("-0", "-1"))]


def _some(examples: list[Example], count: int, generator: torch.Generator) -> list[Example]:
    return [examples[int(i)] for i in _numbers(len(examples), count, generator)]


def _numbers(below: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(below, (count,), generator=generator)


def _reference() -> TemplateImage:
    """The MNI152 picture that fixes template space, ready for `align`."""
    scan = mni152_t1()
    bright = np.quantile(scan.voxels[scan.voxels > 0], 0.99)
    values = np.where(scan.voxels > 0, np.clip(scan.voxels / bright, 0, 1) + 0.1, 0)
    image = TemplateImage(
        torch.from_numpy(values.astype(np.float32))[None], tuple(scan.affine[:3, 3].tolist()), 1.0
    )
    while image.spacing < SEARCH_SPACING:
        image = image.coarser()
    return image
