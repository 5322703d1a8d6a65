"""From a folder of scans to a model file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.models.model import Model, load_model
from src_core.networks.warped import WarpedNetwork
from src_core.training import losses
from src_core.training.examples.maker import Maker
from src_core.training.settings import NetworkSettings, TrainingSettings
from src_core.training.stages import fits, group
from src_core.training.train import train

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def short(training: TrainingSettings, tmp_path: Path) -> TrainingSettings:
    """A training of few steps; its examples, which take longest, are there already."""
    settings = replace(
        training,
        output=tmp_path / "short.safetensors",
        start=replace(training.start, steps=130),
        head=replace(training.head, steps=130),
    )
    work = settings.output.with_suffix(".training")
    shutil.copytree(training.output.with_suffix(".training") / "examples", work / "examples")
    return settings


@pytest.fixture
def only_a_head(training: TrainingSettings, tmp_path: Path) -> TrainingSettings:
    """A training of a new head: all before it is there already."""
    return replace(
        training,
        output=tmp_path / "head.safetensors",
        template=training.output,
        cache=training.output.with_suffix(".training"),
        head=replace(training.head, steps=60),
    )


def equal(one: Model, other: Model) -> bool:
    assert one.weights.keys() == other.weights.keys()
    return all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def test_the_model_knows_what_it_was_trained_for(training: TrainingSettings) -> None:
    model = load_model(training.output)
    assert model.name == "phantoms"
    assert model.protocol.name == "tissue4"
    assert model.card.family == "warped"
    assert model.card.training["scans"] == {"train": ["s0", "s1"], "val": ["s2"]}
    assert model.card.training["seed"] == 0
    assert model.card.scores["mean_foreground"] > 0.75
    assert model.card.scores["dice"].keys() == {s.name for s in model.protocol.structures}


def test_the_siren_family_trains_with_the_same_call_and_shows_progress(
    short: TrainingSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    network = NetworkSettings(width=32, depth=3, hidden=(32,))
    train(replace(short, family="siren", network=network))
    model = load_model(short.output)
    assert model.card.family == "siren"
    assert model.card.scores["mean_foreground"] > 0.1
    shown = capfd.readouterr().err
    assert all(f"{stage}: 100%" in shown for stage in ("examples", "start", "fits", "head"))
    scores = (short.output.with_suffix(".training") / "head-scores.csv").read_text()
    assert "s2-0" in scores
    assert "130," in scores
    assert (short.output.with_suffix(".training") / "curves.png").stat().st_size > 1000


class Interrupter:
    """Raises KeyboardInterrupt at a call of a function, as Ctrl-C would."""

    def __init__(self, function: Callable, call: int):
        self.function, self.left = function, call

    def __call__(self, *args, **kwargs):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return self.function(*args, **kwargs)


def test_after_interruptions_it_goes_on_to_the_very_same_model(
    short: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = replace(short, output=tmp_path / "again.safetensors")
    shutil.copytree(short.output.with_suffix(".training"), again.output.with_suffix(".training"))
    # Step 115 is behind the checkpoint of step 100.
    in_group, in_start = (group, "Fit", 3), (losses, "segmentation_loss", 115)
    in_fits, in_head = (fits, "Fit", 4), (losses, "segmentation_loss", 115)
    for module, name, call in (in_group, in_start, in_fits, in_head):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, Interrupter(getattr(module, name), call))
            with pytest.raises(KeyboardInterrupt):
                train(again)
        assert not again.output.exists()
    train(again)
    train(short)
    assert equal(load_model(short.output), load_model(again.output))


def test_a_finished_training_writes_its_model_again(training: TrainingSettings) -> None:
    before = load_model(training.output)
    training.output.unlink()
    train(training)
    assert equal(before, load_model(training.output))


def test_another_protocol_can_share_examples_fits_and_the_template_network(
    training: TrainingSettings,
    only_a_head: TrainingSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    halves = tmp_path / "halves.csv"
    halves.write_text("id,name\n1,Grey\n2,White\n")
    pairs = {"1": 1, "2": 1, "3": 2, "4": "ignore"}
    settings = replace(
        only_a_head,
        output=tmp_path / "halves.safetensors",
        data=replace(training.data, mapping=pairs),
        protocol="halves",
        structures=halves,
        examples=replace(training.examples, tissues="tissue4"),
        head=training.head,
    )
    monkeypatch.setattr(Maker, "make", lambda *_: pytest.fail("made again"))
    monkeypatch.setattr(fits, "Fit", lambda *_: pytest.fail("fitted again"))
    train(settings)
    model, before = load_model(settings.output), load_model(training.output)
    assert [structure.name for structure in model.protocol.structures] == ["Grey", "White"]
    assert model.card.scores["mean_foreground"] > 0.75
    assert all(
        torch.equal(value, before.weights[name])
        for name, value in model.weights.items()
        if name.startswith("template")
    )


def test_a_model_can_be_trained_further_on_scans_of_all_splits(
    training: TrainingSettings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    everybody = replace(training.data, val=(), test=())
    settings = replace(
        training,
        output=tmp_path / "further.safetensors",
        data=everybody,
        network=NetworkSettings(),
        from_model=training.output,
        examples=replace(training.examples, variants=1),
        head=replace(training.head, steps=20),
    )
    train(settings)
    shown = capfd.readouterr().err
    assert "fits: 100%" in shown
    assert "group" not in shown
    assert "start" not in shown
    model, before = load_model(settings.output), load_model(training.output)
    assert model.card.training["scans"] == {"train": ["s0", "s1", "s2"]}
    assert model.card.training["from_model"]["sha256"] == before.sha256
    assert model.card.scores["dice"] == before.card.scores["dice"]
    assert "before it was trained further" in model.card.scores["measured"]
    assert model.card.architecture == before.card.architecture
    moved = {
        name for name in model.weights if not torch.equal(model.weights[name], before.weights[name])
    }
    assert moved
    assert all(name.startswith("head") for name in moved)

    begun = replace(settings, from_model=None, template=training.output, network=training.network)
    with pytest.raises(InputError, match=r"with other .*further.*; name another folder"):
        train(begun)
    train(replace(settings, average_with=training.output))  # all but the averaging is done
    averaged = load_model(settings.output)
    assert averaged.card.training["average_with"]["sha256"] == before.sha256
    for name, value in averaged.weights.items():
        expected = (model.weights[name] + before.weights[name]) / 2
        torch.testing.assert_close(value, expected)


def test_only_models_of_one_architecture_are_averaged(
    training: TrainingSettings, tmp_path: Path
) -> None:
    further = replace(
        training,
        output=tmp_path / "further.safetensors",
        network=NetworkSettings(),
        from_model=training.output,
        average_with=Path("brain3d-tissue"),
    )
    with pytest.raises(InputError, match="brain3d-tissue is of another architecture"):
        train(further)
    with pytest.raises(InputError, match="only a model that is trained further"):
        replace(training, average_with=training.output)


def test_corrected_labels_are_noticed(
    training: TrainingSettings, tmp_path: Path, data_folder: Path
) -> None:
    data, work = tmp_path / "data", training.output.with_suffix(".training")
    shutil.copytree(data_folder, data)
    shutil.copytree(work, tmp_path / "work")
    shutil.copy(data / "s0_labels.nii.gz", data / "s1_labels.nii.gz")
    settings = replace(training, data=DataSettings(data), work=tmp_path / "work")
    with pytest.raises(InputError, match="other data, scans"):
        train(settings)


def test_validation_scans_without_any_structure_do_not_spoil_the_judgement(
    only_a_head: TrainingSettings, tmp_path: Path
) -> None:
    """A protocol of one structure, of which the scan that is judged has nothing."""
    table = tmp_path / "spot.csv"
    table.write_text("id,name\n9,Spot\n")
    nothing = {"1": 0, "2": 0, "3": 0, "4": 0}
    train(
        replace(
            only_a_head,
            data=replace(only_a_head.data, mapping=nothing),
            protocol="spot",
            structures=table,
            examples=replace(only_a_head.examples, tissues="tissue4"),
            head=replace(only_a_head.head, judge_every=20, patience=1),
        )
    )
    assert load_model(only_a_head.output).card.scores == {}


def test_label_maps_of_people_held_out_are_refused(
    short: TrainingSettings, tmp_path: Path, data_folder: Path
) -> None:
    (heads := tmp_path / "heads").mkdir()
    shutil.copy(data_folder / "s2_labels.nii.gz", heads / "person2.nii.gz")
    settings = replace(
        short, work=tmp_path / "work", examples=replace(short.examples, label_maps=heads)
    )
    with pytest.raises(InputError, match=r"person2.nii.gz has the name of .* a subject held out"):
        train(settings)


@pytest.mark.parametrize("change", [{"seed": 1}, {"rounds": 0}], ids=str)
def test_the_work_folder_of_another_training_is_refused(
    training: TrainingSettings, tmp_path: Path, change: dict
) -> None:
    work = training.output.with_suffix(".training")
    other = replace(training, output=tmp_path / "other.safetensors", work=work, **change)
    with pytest.raises(InputError, match=f"with other .*{next(iter(change))}.*; name another"):
        train(other)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"protocol": "tissue9"}, "unknown protocol"),
        ({"family": "cnn"}, "unknown family"),
        ({"data": DataSettings(Path("nowhere"))}, "nowhere"),
        ({"template": Path("nothing.safetensors")}, "no such model file"),
        ({"network": NetworkSettings(width=16), "template": "own"}, "another width"),
        (
            {"from_model": Path("brain3d-fs32"), "network": NetworkSettings()},
            "another protocol than",
        ),
        (
            {"from_model": Path("paper3d-tissue"), "network": NetworkSettings()},
            "another family than",
        ),
        (
            {"from_model": Path("brain2d-tissue"), "network": NetworkSettings()},
            "another slices than",
        ),
    ],
)
def test_what_cannot_be_trained_is_said_at_once(
    training: TrainingSettings, tmp_path: Path, change: dict, said: str
) -> None:
    if change.get("template") == "own":
        change["template"] = training.output
    settings = replace(training, output=tmp_path / "model.safetensors", **change)
    with pytest.raises(InputError, match=said):
        train(settings)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_of_an_earlier_version_is_refused(short: TrainingSettings, tmp_path: Path) -> None:
    """Its examples are pickled objects."""
    folder = short.work_folder / "examples"
    torch.save([Path("anything")], folder / "s0-0.pt")
    with pytest.raises(InputError, match=r"s0-0\.pt is of an earlier version") as caught:
        train(short)
    assert str(folder) in str(caught.value)
    assert not short.output.exists()


def test_class_scores_that_are_not_finite_name_the_scan(
    only_a_head: TrainingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = torch.full((1, 1), torch.nan)
    monkeypatch.setattr(WarpedNetwork, "logits", lambda *_: bad)
    with pytest.raises(InputError, match=r"not finite for the scan s[01]-[01]; .* stays"):
        train(only_a_head)
