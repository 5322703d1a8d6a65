"""Results of long work, kept in files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from src_core.errors import InputError
from src_core.training.cache import claim, load, load_or_make, save_whole


def test_what_was_made_once_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "numbers.pt"
    made = load_or_make(path, lambda: {"numbers": torch.arange(3), "name": "three"})
    again = load_or_make(path, lambda: pytest.fail("made again"))
    assert torch.equal(made["numbers"], again["numbers"])
    assert again["name"] == "three"


def test_objects_in_a_file_are_refused_and_not_executed(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "executed",)

    path = tmp_path / "old.pt"
    torch.save([Malicious()], path)
    with pytest.raises(InputError, match="earlier version") as caught:
        load(path)
    assert str(caught.value).endswith(f"delete the folder {tmp_path}, or name another one")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "executed").exists()


def test_a_checkpoint_can_be_replaced(tmp_path: Path) -> None:
    for step in (1, 2):
        save_whole({"step": step, "best": None}, tmp_path / "head.checkpoint")
    assert load(tmp_path / "head.checkpoint") == {"step": 2, "best": None}


def test_a_folder_serves_one_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    claim(folder, {"seed": 0, "fit": (1, 2)})
    claim(folder, {"seed": 0, "fit": (1, 2)})
    with pytest.raises(InputError, match="with other seed; name another folder"):
        claim(folder, {"seed": 1, "fit": (1, 2)})
