"""A model trained further on scans that its user has corrected, step by step.

Each scan is fitted as at test time, as it came and changed; then the head learns what their labels
tell, and stays with what it said elsewhere. If there are two people or more, the scans of one are
left out at first, to measure what the model gains on a scan that it has not seen.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import torch

from src_core.adaptation.card import adapted_card
from src_core.adaptation.corrected import Corrected
from src_core.adaptation.examples import HeadExample, Source, make_examples, variants_of
from src_core.adaptation.head import Sums, learn_head, mean_dice
from src_core.adaptation.settings import AdaptSettings
from src_core.adaptation.stand_in import StandIn
from src_core.errors import InputError
from src_core.fitting.device import choose_device
from src_core.io.files import check_writable
from src_core.models.bundled import MODEL_SUFFIX, bundled_models
from src_core.models.model import Model, load_model, write_model
from src_core.networks.head import between
from src_core.options import takes_options
from src_core.training.cache import claim, load, save_whole
from src_core.training.config import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from src_core.adaptation.own_scans import CorrectedScan
    from src_core.networks.head import Head

Stage = Literal["fits", "left out", "head"]


@dataclass(frozen=True)
class Progress:
    """How far an adaptation is.

    Attributes
    ----------
    stage : {"fits", "left out", "head"}
        Scans are fitted, the head is trained without the scan that is left out, and on all.
    done, total : int
        Steps of the stage.
    figures : dict of float
        Losses of the last step by name, the one called "loss" is made small; none in fits.
    """

    stage: Stage
    done: int
    total: int
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LeftOut:
    """What was measured on a scan that was left out.

    Attributes
    ----------
    scan : str
    before, after : float
        Mean Dice with its labels, of the model as it was and trained on the others.
    """

    scan: str
    before: float
    after: float


@dataclass(frozen=True)
class Adapted:
    """What an adaptation came to.

    Attributes
    ----------
    output : Path
        Model file.
    scans : int
        That it was trained on.
    left_out : LeftOut or None
        None: nothing was measured.
    notes : tuple of str
        What the user should know, one line each.
    """

    output: Path
    scans: int
    left_out: LeftOut | None
    notes: tuple[str, ...]


@takes_options(AdaptSettings)
def adapt(
    model: str | Path | Model,
    scans: Sequence[CorrectedScan],
    output: Path,
    *,
    overwrite: bool = False,
    work: Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Adapted:
    """Train a model further on corrected scans, and write it.

    Parameters
    ----------
    model : str, path or Model
        Name or file of a model for volumes.
    scans : sequence of CorrectedScan
        See `src_core.adaptation.own_scans`.
    output : Path
        Model file to write; ends in .safetensors.
    **options
        As in `AdaptSettings`, by name.
    overwrite : bool
        Whether the output may be replaced.
    work : Path, optional
        Folder of examples, checkpoints and logs, from which an interrupted adaptation goes on;
        by default beside the output, until that is written.
    on_progress : callable, optional
        Called with a `Progress` after each step; what it raises ends the adaptation.

    Returns
    -------
    Adapted

    Raises
    ------
    InputError
        Something given can't be used; the message says what to do.
    """
    settings = AdaptSettings(**options)
    steps = adapting(model, scans, output, settings, overwrite=overwrite, work=work)
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            adapted: Adapted = end.value
            return adapted
        if on_progress is not None:
            on_progress(progress)


def adapting(
    model: str | Path | Model,
    scans: Sequence[CorrectedScan],
    output: Path,
    settings: AdaptSettings,
    *,
    overwrite: bool = False,
    work: Path | None = None,
) -> Generator[Progress, None, Adapted]:
    """Steps of `adapt`, and what they come to; to stop is not to ask for the next one.

    All that can be found out before is found out at the first step.
    """
    earlier = model if isinstance(model, Model) else load_model(model)
    earlier, folder = earlier.finest(), work or output.with_suffix(".adapting")
    _check_output(output, overwrite)
    checked, stand_in = _checked(earlier, scans, settings), StandIn.of(earlier)
    _claim(folder, earlier, checked, settings)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    *examples, stand_ins = yield from _examples([*checked, stand_in], settings, folder)
    learner = _Learner(earlier, stand_ins, checked, settings, folder)
    left_out = yield from _left_out(learner, examples)
    head = yield from learner.learn("head", list(chain.from_iterable(examples)))
    network = earlier.network()
    network.head.load_state_dict(head.state_dict())
    write_model(network, adapted_card(earlier, output.stem, len(scans), left_out), output)
    if work is None:
        shutil.rmtree(folder)
    return Adapted(output, len(scans), left_out, _notes(checked, left_out))


def _check_output(output: Path, overwrite: bool) -> None:
    if output.suffix != MODEL_SUFFIX:
        raise InputError(f"{output.name} must end in {MODEL_SUFFIX}; rename it")
    if output.stem in bundled_models():
        raise InputError(f"{output.stem} is a model of the package; choose another name")
    check_writable([output], overwrite)


def _checked(
    model: Model, scans: Sequence[CorrectedScan], settings: AdaptSettings
) -> list[Corrected]:
    if not scans:
        raise InputError("there are no corrected scans to learn from; add one")
    model.card.require_structures()
    if model.slices is not None:
        raise InputError(f"{model.name} is for single slices; choose a model for volumes")
    names = [scan.name for scan in scans]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two scans have the name {name}; give each its own")
    return [Corrected.of(scan, model, settings.labels) for scan in scans]


def _claim(folder: Path, model: Model, scans: Sequence[Corrected], settings: AdaptSettings) -> None:
    """Make a folder serve this adaptation only."""
    told = {
        "model": model.sha256,
        # Where it is computed may change on the way.
        "settings": {
            name: value
            for name, value in to_json(settings).items()
            if name not in ("device", "threads")
        },
        "scans": {one.name: one.fingerprint for one in scans},
    }
    claim(folder, told)


def _examples(
    sources: Sequence[Source], settings: AdaptSettings, folder: Path
) -> Generator[Progress, None, list[list[HeadExample]]]:
    """Steps that fit all scans in all variants, and the examples of each."""
    device, iterations = choose_device(settings.device), sources[0].model.fit.iterations
    counts = [len(variants_of(source, settings)) for source in sources]
    found, total = [], iterations * sum(counts)
    (folder / "examples").mkdir(exist_ok=True)
    for number, source in enumerate(sources):
        path, done = folder / "examples" / f"{number}.pt", iterations * sum(counts[:number])
        if not path.exists():
            made = yield from _made(source, settings, done, total)
            save_whole(made, path)
        yield Progress("fits", done + iterations * counts[number], total)
        found.append([HeadExample(**values).to(device) for values in load(path)])
    return found


def _made(
    source: Source, settings: AdaptSettings, done: int, total: int
) -> Generator[Progress, None, list[dict[str, Any]]]:
    """Steps that make the examples of a scan, and these as plain values."""
    steps, taken = make_examples(source, settings), 0
    while True:
        try:
            fits = next(steps)
        except StopIteration as end:
            made: list[dict[str, Any]] = end.value
            return made
        # A fit may have ended early.
        taken = max(taken + 1, fits * source.model.fit.iterations)
        yield Progress("fits", done + taken, total)


@dataclass(frozen=True, eq=False)
class _Learner:
    """What a training of the head needs besides the examples."""

    model: Model
    stand_ins: list[HeadExample]
    scans: list[Corrected]
    settings: AdaptSettings
    folder: Path

    def head(self) -> Head:
        """The model's own, where the examples are."""
        return self.model.network().head.to(self.stand_ins[0].inputs.device)

    def sums(self) -> Sums:
        """What merges the model's classes to those of the scans, by protocol."""
        device, models = self.stand_ins[0].inputs.device, [one.model for one in self.scans]
        found = {model.protocol.name: model.sums() for model in models}
        return {name: None if one is None else one.to(device) for name, one in found.items()}

    def learn(self, stage: Stage, examples: list[HeadExample]) -> Generator[Progress, None, Head]:
        """Steps that train the head further, and the new one."""
        head, name = self.head(), stage.replace(" ", "-")
        for step in learn_head(
            head, examples, self.stand_ins, self.sums(), self.settings, name, self.folder
        ):
            figures = {key: value.item() for key, value in step.losses.items()}
            yield Progress(stage, step.number, self.settings.steps, figures)
        return between(self.head(), head, self.settings.share)


def _left_out(
    learner: _Learner, examples: Sequence[list[HeadExample]]
) -> Generator[Progress, None, LeftOut | None]:
    """Steps that train without the last scan and others of that person, and what it came to."""
    last = learner.scans[-1]
    others = [
        example
        for one, own in zip(learner.scans, examples, strict=True)
        for example in own
        if one.scan.files.subject != last.scan.files.subject
    ]
    if not (others and learner.settings.measure):
        return None
    adapted = yield from learner.learn("left out", others)
    example, sums = examples[-1][0], learner.sums()[last.model.protocol.name]
    dice = [round(mean_dice(head, example, sums), 4) for head in (learner.head(), adapted)]
    return LeftOut(last.name, *dice)


def _notes(scans: Sequence[Corrected], left_out: LeftOut | None) -> tuple[str, ...]:
    notes = [
        f"{one.name}: labels that {one.model.protocol.name} lacks were left out: "
        + ", ".join(map(str, one.unknown))
        for one in scans
        if one.unknown
    ]
    if len({one.scan.files.subject for one in scans}) == 1:
        notes.append("nothing was measured: that needs scans of two people or more")
    elif left_out is not None and not left_out.after > left_out.before:
        notes.append(f"{left_out.scan}, which was left out, did not get better: correct more scans")
    return tuple(notes)
