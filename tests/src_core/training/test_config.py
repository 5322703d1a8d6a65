"""A training's configuration file says what is wrong with it in one line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.fitting.settings import FitSettings
from src_core.space.slices import SliceRange
from src_core.training import config
from src_core.training.changes.settings import AugmentSettings, SliceSettings
from src_core.training.config import read_config, to_json
from src_core.training.settings import (
    ExampleSettings,
    LoopSettings,
    MetaSettings,
    NetworkSettings,
    TrainingSettings,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = 'output = "mine.safetensors"\n[data]\npath = "scans"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "training.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_small_file_is_filled_up_with_defaults(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, SMALL)) == TrainingSettings(
        DataSettings(tmp_path / "scans"), tmp_path / "mine.safetensors"
    )


def test_every_setting_can_be_given(tmp_path: Path) -> None:
    settings = read_config(
        write(
            tmp_path,
            """
            output = "/models/mine.safetensors"
            name = "mine"
            family = "siren"
            protocol = "lesions"
            structures = "lesions.tsv"
            work = "../work"
            licence = "CC0"
            rounds = 1
            seed = 3
            threads = 2

            [network]
            hidden = [64, 32]

            [examples]
            variants = 3
            slices = {where = {axis = "y", range = [-30, -6]}}
            augment = {noise = 0, bias_range = [0.1, 0.2]}

            [head]
            steps = 10
            rate = 1e-4

            [data]
            path = "scans"
            mapping = {3 = 1, "5" = "ignore"}
            scans = "{name}.nii"
            labels = "{name}_seg.nii"
            masks = "{name}_mask.nii"
            val = 0
            test = ["p1", "p2"]
            seed = 7
            """,
        )
    )
    assert settings == TrainingSettings(
        DataSettings(
            tmp_path / "scans",
            mapping={"3": 1, "5": "ignore"},
            scans="{name}.nii",
            labels="{name}_seg.nii",
            masks="{name}_mask.nii",
            val=0.0,
            test=("p1", "p2"),
            seed=7,
        ),
        Path("/models/mine.safetensors"),
        name="mine",
        family="siren",
        protocol="lesions",
        structures=tmp_path / "lesions.tsv",
        work=tmp_path / "../work",
        licence="CC0",
        rounds=1,
        seed=3,
        threads=2,
        network=NetworkSettings(hidden=(64, 32)),
        examples=ExampleSettings(
            variants=3,
            slices=SliceSettings(SliceRange("y", (-30.0, -6.0))),
            augment=AugmentSettings(noise=0.0, bias_range=(0.1, 0.2)),
        ),
        head=LoopSettings(steps=10, rate=1e-4),
    )


def test_what_a_section_leaves_out_is_as_usual_there(tmp_path: Path) -> None:
    text = SMALL + "[outer]\nsteps = 8\n[fit]\npoints = 9\n[meta]\norder = 2\n"
    settings = read_config(write(tmp_path, 'family = "siren"\n' + text))
    usual = TrainingSettings(DataSettings(Path("scans")), Path("mine.safetensors")).outer
    assert settings.outer == replace(usual, steps=8)
    assert settings.fit == FitSettings(points=9)
    assert settings.meta == MetaSettings(order=2)


def test_the_mapping_may_be_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL + 'mapping = "ids.csv"\nmapping_column = "mine"\n')
    data = read_config(path).data
    assert (data.mapping, data.mapping_column) == (tmp_path / "ids.csv", "mine")


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, "\ufeff" + SMALL)).output.name == "mine.safetensors"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ronuds = 3\n" + SMALL, "unknown key ronuds; did you mean rounds?"),
        (SMALL + "vall = 0.1\n", "unknown key data.vall; did you mean val?"),
        ("zzz = 3\n" + SMALL, "unknown key zzz; known are data, output, name"),
        ('output = "a.safetensors"', "the key data.path is missing"),
        ('[data]\npath = "scans"', "the key output is missing"),
        ("rounds = 1.5\n" + SMALL, "rounds must be a whole number, but is 1.5"),
        (f"rounds = {2**63}\n" + SMALL, "rounds must be a whole number, but is 92"),
        (SMALL + f"val = 1{'0' * 400}\n", "data.val must be a number or a list of text, but is 10"),
        (SMALL + f"scans = {3000 * '['}\n", "is not a valid TOML file"),
        ("rounds = true\n" + SMALL, "rounds must be a whole number, but is True"),
        (SMALL + "[head]\nsteps = 0\n", "[head] steps: 0 is not a positive number"),
        (SMALL + "[examples]\nvariants = 0\n", "[examples] variants: 0 is not a positive"),
        (
            SMALL + '[examples]\nslices = {where = {axis = "z", range = [0, 1]}}\n',
            "[examples.slices] where: training cuts coronal slices only",
        ),
        ("name = 3\n" + SMALL, "name must be text, but is 3"),
        ("work = 3\n" + SMALL, "work must be a path, but is 3"),
        ("work = 2024-01-01\n" + SMALL, "work must be a path, but is datetime.date"),
        ('family = "cnn"\n' + SMALL, "family must be 'warped' or 'siren', but is 'cnn'"),
        ('data = "scans"\noutput = "a.safetensors"', "data must be a table, but is 'scans'"),
        (SMALL + 'val = "p1"\n', "data.val must be a number or a list of text, but is 'p1'"),
        (SMALL + "val = nan\n", "data.val must be a number or a list of text, but is nan"),
        (SMALL + 'val = ["p1", 2]\n', "data.val[1] must be text, but is 2"),
        (SMALL + "mapping = 3\n", "data.mapping must be a path or a table, but is 3"),
        (
            SMALL + 'mapping = {3 = "skip"}\n',
            "data.mapping.3 must be a whole number or 'ignore', but is 'skip'",
        ),
        (SMALL + "mapping = {CSF = 1}\n", "[data] mapping: 'CSF' is not a label id"),
        (SMALL + "val = 1.5\n", "[data] val and test: shares are from 0 to below 1"),
        (SMALL.replace(".safetensors", ".pt"), "output: mine.pt must end in .safetensors"),
        ("rounds = -1\n" + SMALL, "rounds: -1 is negative"),
        ("seed = -1\n" + SMALL, "seed: -1 is negative"),
        ("threads = 0\n" + SMALL, "threads: 0 is not a positive number"),
        ('structures = "own.tsv"\n' + SMALL, "protocol: tissue4 is one of the package"),
        ("rounds = \n" + SMALL, "is not a valid TOML file"),
        ("rounds = 1\nrounds = 2\n" + SMALL, "is not a valid TOML file"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=re.escape(said)) as refusal:
        read_config(path)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


def test_a_long_wrong_value_is_shown_shortened(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        read_config(write(tmp_path, f"rounds = {list(range(1000))}\n" + SMALL))
    assert len(str(refusal.value)) < 200 + len(str(tmp_path))


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.toml cannot be read: No such file"):
        read_config(tmp_path / "nothing.toml")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_config(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.toml is not a valid TOML file"):
        read_config(tmp_path / "binary.toml")


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "seed = 3\nthreads = 2\n" + SMALL)
    settings = read_config(path, {"seed": 4, "threads": None, "work": Path("here")})
    assert (settings.seed, settings.threads, settings.work) == (4, 2, Path("here"))


@dataclass(frozen=True)
class Inner:
    pair: tuple[int, float] = (1, 2.0)
    rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class Outer:
    kind: Literal["a", 1]
    inner: Inner = Inner()
    maybe: Inner | None = None


@pytest.fixture
def further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
    """Reads a file of other settings, with sections in them."""
    monkeypatch.setattr(config, "TrainingSettings", Outer)
    return lambda text: read_config(write(tmp_path, text))


def test_further_sections_are_read_by_their_type_hints(further: Callable[[str], object]) -> None:
    text = "kind = 'a'\n[inner]\npair = [3, 4]\n[maybe]\nrates = [1, 0.5]\n"
    assert further(text) == Outer("a", Inner((3, 4.0)), Inner(rates=(1.0, 0.5)))
    assert further("kind = 1") == Outer(1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind = true", "kind must be 'a' or 1, but is True"),
        ("kind = 1\ninner.pair = [1, 2, 3]", "inner.pair must be a list of 2 values"),
        ("kind = 1\ninner.pair = [1.5, 2]", "inner.pair[0] must be a whole number"),
        ("kind = 1\nmaybe.rate = 1", "unknown key maybe.rate; did you mean rates?"),
        ("kind = 1\nmaybe = 3", "maybe must be a table, but is 3"),
    ],
)
def test_mistakes_in_further_sections_are_named(
    further: Callable[[str], object], text: str, said: str
) -> None:
    with pytest.raises(InputError, match=re.escape(f"training.toml: {said}")):
        further(text)


def test_settings_become_plain_values_that_tell_trainings_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_config(write(tmp_path, SMALL + 'val = ["p1"]\nmapping = {3 = 1}\n'))
    told = to_json(settings)
    assert json.loads(json.dumps(told)) == told
    assert told["data"]["path"] == str(tmp_path / "scans")
    assert told["data"]["val"] == ["p1"]
    monkeypatch.chdir(tmp_path)
    same = replace(settings, data=replace(settings.data, path=Path("scans")))
    assert to_json(same) == told
    assert to_json(replace(settings, rounds=1)) != told
