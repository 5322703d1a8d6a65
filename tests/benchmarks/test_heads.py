"""Which heads are measured, how their labels are compared, and what the tables show."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks.heads.agreement import agreement, agreement_of, mean, without_vermis
from benchmarks.heads.listed import Head, list_heads
from benchmarks.heads.tables import draw_ages, markdown, row_of, write_csv
from src_core.errors import InputError
from src_core.io.protocols import protocol

if TYPE_CHECKING:
    from pathlib import Path

LEFT, RIGHT, VERMIS, WHITE = 8, 47, 172, 2


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.touch()


def test_heads_lie_in_folders(tmp_path: Path) -> None:
    one = tmp_path / "some-01"
    touch(*(one / f"{name}.nii.gz" for name in ("T1", "FLAIR", "T1_brain", "labels_fs32")))
    many = tmp_path / "many"
    touch(*(many / f"a-7_{name}.nii.gz" for name in ("T1", "fs32", "icv")))
    (many / "subjects.csv").write_text("scan,age\na-7,33\n")
    touch(tmp_path / "stripped" / "T1_brain.nii.gz")
    many_head, flair, t1, stripped = list_heads(tmp_path)
    assert (stripped.name, stripped.other_masks) == ("stripped", ())
    assert (t1.group, t1.name, t1.labels) == ("some", "some-01", one / "labels_fs32.nii.gz")
    assert t1.other_masks == (one / "T1_brain.nii.gz",)
    assert flair.name == "some-01 FLAIR"
    assert (many_head.group, many_head.name, many_head.age) == ("many", "a-7", 33)
    assert many_head.labels == many / "a-7_fs32.nii.gz"


def test_heads_stand_in_a_table(tmp_path: Path) -> None:
    touch(tmp_path / "a.nii.gz", tmp_path / "m.nii.gz")
    table = tmp_path / "heads.tsv"
    table.write_text("set\tname\tscan\tmask\tage\nx\ta\ta.nii.gz\tm.nii.gz\t\n")
    (head,) = list_heads(table)
    assert head == Head("x", "a", tmp_path / "a.nii.gz", mask=tmp_path / "m.nii.gz")
    table.write_text("set\tname\tscan\nx\ta\tmissing.nii.gz\n")
    with pytest.raises(InputError, match="does not exist"):
        list_heads(table)


def test_a_folder_without_heads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no heads"):
        list_heads(tmp_path)


def test_vermis_goes_to_the_nearer_half_of_the_cerebellum() -> None:
    labels = np.array([[[LEFT, VERMIS, 0, VERMIS, RIGHT]]])
    assert without_vermis(labels).tolist() == [[[LEFT, LEFT, 0, RIGHT, RIGHT]]]


def test_agreement_does_not_ask_for_a_vermis_that_the_reference_lacks() -> None:
    labels = np.array([[[LEFT, VERMIS, 0, VERMIS, RIGHT, WHITE]]])
    reference = np.array([[[LEFT, LEFT, 0, RIGHT, RIGHT, 0]]])
    scores = agreement(labels, reference, protocol("fs32"))
    assert scores["Left-Cerebellum-Cortex"] == 1
    assert scores["Left-Cerebral-White-Matter"] == 0
    assert mean(scores) == pytest.approx(2 / 3)
    tissues = agreement(np.array([[[2, 2, 0, 2, 2, 3]]]), reference, protocol("tissue4"))
    assert tissues["Subcortical-Gray-Matter"] == 1


@pytest.mark.parametrize("protocols", [("nm134", "fs32", "tissue4"), ("fs32", "tissue4")])
def test_labels_of_parcels_are_compared_as_structures(protocols: tuple[str, ...]) -> None:
    reference = np.array([[[LEFT, RIGHT, WHITE]]])
    in_nm134 = np.array([[[39, 38, 45]]])
    label_maps = {"nm134": in_nm134, "fs32": reference, "tissue4": np.array([[[2, 2, 3]]])}
    result = SimpleNamespace(
        model=SimpleNamespace(protocols=protocols),
        protocol=protocol(protocols[0]),
        labels_in=lambda name: {name: label_maps[name]},
    )
    assert mean(agreement_of(result, reference)) == 1  # type: ignore[arg-type]


def measured(dice: float, **report: Any) -> dict[str, Any]:
    usual = {"alignment": {"similarity": 0.96}, "notes": [], "brain": {"origin": "given"}}
    return {
        "report": usual | report,
        "seconds": 30.0,
        "cpu_seconds": 28.0,
        "peak_memory": 900.0,
        "brain": 1400.0,
        "dice": {"a": dice, "b": None},
    }


def test_tables_show_each_scan_and_the_means_of_each_set(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    rows = [
        row_of(Head("x", "a", path, age=20), measured(0.8, notes=["strong bias"])),
        row_of(Head("x", "b", path, age=40), measured(0.9)),
        row_of(Head("y", "c", path), {"refused": "no brain"}),
    ]
    text = "\n".join(markdown(rows))
    assert "| x | 2 | 0.850 |" in text
    assert "strong bias" in text
    assert "refused: no brain" in text
    write_csv(rows, tmp_path / "heads.csv")
    assert len((tmp_path / "heads.csv").read_text().splitlines()) == 4
    assert draw_ages(rows, tmp_path / "ages.png")
    assert (tmp_path / "ages.png").stat().st_size > 1000
    assert not draw_ages(rows[2:], tmp_path / "none.png")
