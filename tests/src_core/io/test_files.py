"""Files are checked before any work and appear whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src_core.errors import InputError
from src_core.io import files

if TYPE_CHECKING:
    from pathlib import Path


def test_check_before_the_work(tmp_path: Path) -> None:
    files.check_writable([tmp_path / "a.nii", tmp_path / "b.csv"])
    (tmp_path / "a.nii").touch()
    with pytest.raises(InputError, match=r"a\.nii exists"):
        files.check_writable([tmp_path / "b.csv", tmp_path / "a.nii"])
    files.check_writable([tmp_path / "a.nii"], overwrite=True)
    with pytest.raises(InputError, match="is an input"):
        files.check_writable([tmp_path / "a.nii"], overwrite=True, inputs=[tmp_path / "a.nii"])
    with pytest.raises(InputError, match="two outputs"):
        files.check_writable([tmp_path / "b.csv", tmp_path / "." / "b.csv"])
    with pytest.raises(InputError, match="is a folder"):
        files.check_writable([tmp_path])


def fail_halfway(path: Path) -> None:
    with files.complete_files([path], overwrite=True) as (file,):
        file.write_text("half")
        raise ZeroDivisionError


def test_nothing_is_left_of_what_failed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(ZeroDivisionError):
        fail_halfway(tmp_path / "a.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "old"


def test_a_checksum_changes_with_each_part_and_with_their_order() -> None:
    digests = {files.digest(*parts) for parts in ([b"a", b"b"], [b"b", b"a"], [b"ab"], [b"a"])}
    assert len(digests) == 4
    assert files.digest(b"a", b"b") == files.digest(b"a", b"b")
