"""Files are checked before any work and appear whole or not at all."""

from __future__ import annotations

import os
from threading import Barrier, Thread
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


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_of_two_that_write_one_file_exactly_one_succeeds(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_: object) -> None:
        raise PermissionError("not on this file system")

    if not links:
        monkeypatch.setattr(os, "link", no_link)
    both, refused = Barrier(2), []

    def write(text: str) -> None:
        paths = [tmp_path / "labels.nii", tmp_path / "labels.tsv"]
        try:
            with files.complete_files(paths, overwrite=False) as written:
                for path in written:
                    path.write_text(text)
                both.wait(20)  # neither is there yet
        except InputError as error:
            refused.append(str(error))

    threads = [Thread(target=write, args=(text,)) for text in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (said,) = refused
    assert "labels.nii exists" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.nii", "labels.tsv"]
    assert len({path.read_text() for path in tmp_path.iterdir()}) == 1


def test_without_links_nothing_empty_is_left_under_the_name_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("not on this file system")

    def write(path: Path) -> None:
        with files.complete_files([path], overwrite=False) as (file,):
            file.write_text("new")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(InputError, match="cannot write"):
        write(tmp_path / "labels.nii")
    assert not list(tmp_path.iterdir())


def write_late(image: Path, table: Path) -> None:
    """Write both when somebody else has just written the table."""
    with files.complete_files([image, table], overwrite=False) as written:
        for path in written:
            path.write_text("new")
        table.write_text("of another")


def test_where_one_name_is_taken_meanwhile_none_is_written(tmp_path: Path) -> None:
    table = tmp_path / "labels.tsv"
    with pytest.raises(InputError, match=r"labels\.tsv exists"):
        write_late(tmp_path / "labels.nii", table)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.tsv"]
    assert table.read_text() == "of another"


def test_a_checksum_changes_with_each_part_and_with_their_order() -> None:
    digests = {files.digest(*parts) for parts in ([b"a", b"b"], [b"b", b"a"], [b"ab"], [b"a"])}
    assert len(digests) == 4
    assert files.digest(b"a", b"b") == files.digest(b"a", b"b")
