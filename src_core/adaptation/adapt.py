"""A model trained further on scans that its user has corrected, step by step.

Each scan is fitted as at test time, as it came and changed; then the head learns what their labels
tell, and stays with what it said elsewhere. If there are two people or more, the scans of one are
left out at first, to measure what the model gains on a scan that it has not seen.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch

from src_core.adaptation.card import adapted_card
from src_core.adaptation.corrected import Corrected
from src_core.adaptation.examples import HeadExample, make_examples, variants_of
from src_core.adaptation.head import learn_head, mean_dice
from src_core.adaptation.settings import AdaptSettings
from src_core.errors import InputError
from src_core.fitting.device import choose_device
from src_core.io.files import check_writable
from src_core.models.bundled import MODEL_SUFFIX, bundled_models
from src_core.models.model import Model, load_model, write_model
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
    checked = _checked(earlier, scans, settings)
    _claim(folder, earlier, checked, settings)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    examples = yield from _examples(checked, earlier, settings, folder)
    left_out = yield from _left_out(checked, earlier, examples, settings, folder)
    everything = [example for own in examples for example in own]
    head = yield from _learned(earlier, everything, checked, settings, "head", folder)
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
        "settings": to_json(settings),
        "scans": {one.scan.name: one.fingerprint for one in scans},
    }
    claim(folder, told)


def _examples(
    scans: Sequence[Corrected], model: Model, settings: AdaptSettings, folder: Path
) -> Generator[Progress, None, list[list[HeadExample]]]:
    """Steps that fit all scans in all variants, and the examples of each."""
    iterations, device = model.fit.iterations, choose_device(settings.device)
    counts = [len(variants_of(one, settings)) for one in scans]
    found, done, total = [], 0, iterations * sum(counts)
    (folder / "examples").mkdir(exist_ok=True)
    for number, (one, count) in enumerate(zip(scans, counts, strict=True)):
        path = folder / "examples" / f"{number}.pt"
        if not path.exists():
            taken = 0
            steps = make_examples(one, settings)
            while True:
                try:
                    fits = next(steps)
                except StopIteration as end:
                    save_whole(end.value, path)
                    break
                taken = max(taken + 1, fits * iterations)
                yield Progress("fits", done + taken, total)
        done += count * iterations
        yield Progress("fits", done, total)
        found.append([HeadExample(**values).to(device) for values in load(path)])
    return found


def _left_out(
    scans: Sequence[Corrected],
    model: Model,
    examples: Sequence[list[HeadExample]],
    settings: AdaptSettings,
    folder: Path,
) -> Generator[Progress, None, LeftOut | None]:
    """Steps that train without the last scan and others of that person, and what it came to."""
    last = scans[-1]
    others = [
        example
        for one, own in zip(scans, examples, strict=True)
        for example in own
        if one.scan.files.subject != last.scan.files.subject
    ]
    if not (others and settings.measure):
        return None
    head = yield from _learned(model, others, scans, settings, "left out", folder)
    example = examples[-1][0]
    device = example.inputs.device
    heads = (model.network().head.to(device), head)
    dice = [round(mean_dice(one, example, last.sums(device)), 4) for one in heads]
    return LeftOut(last.scan.name, *dice)


def _learned(
    model: Model,
    examples: Sequence[HeadExample],
    scans: Sequence[Corrected],
    settings: AdaptSettings,
    stage: Stage,
    folder: Path,
) -> Generator[Progress, None, Head]:
    """Steps that train the head of a model further, and the head."""
    device = examples[0].inputs.device
    head = model.network().head.to(device)
    sums = {one.model.protocol.name: one.sums(device) for one in scans}
    for step in learn_head(head, examples, sums, settings, stage.replace(" ", "-"), folder):
        figures = {name: value.item() for name, value in step.losses.items()}
        yield Progress(stage, step.number, settings.steps, figures)
    return head


def _notes(scans: Sequence[Corrected], left_out: LeftOut | None) -> tuple[str, ...]:
    notes = [
        f"{one.scan.name}: labels that {one.model.protocol.name} lacks were left out: "
        + ", ".join(map(str, one.unknown))
        for one in scans
        if one.unknown
    ]
    if left_out is None:
        notes.append("nothing was measured: that needs scans of two people or more")
    elif not left_out.after > left_out.before:
        notes.append(f"{left_out.scan}, which was left out, did not get better: correct more scans")
    return tuple(notes)
