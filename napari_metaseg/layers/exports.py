"""Files that the panel writes: how each is offered and what writes it, in the engine's thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_metaseg.layers.named_labels import NamedLabels
from napari_metaseg.run.arrangement import arrange, as_tsv, flat
from napari_metaseg.run.table import structure_table
from src_core.io import export
from src_core.io.files import complete_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_metaseg.run.arrangement import Entry
    from napari_metaseg.run.session import Session
    from src_core.results.segmentation import Segmentation


@dataclass(frozen=True)
class Export:
    """One kind of file.

    Attributes
    ----------
    title, help : str
        For people.
    ending : str
        Follows the scan's name; its suffix is the one that is added if there is none.
    suffixes : tuple of str
        Accepted.
    """

    title: str
    help: str
    ending: str
    suffixes: tuple[str, ...]


@dataclass(frozen=True)
class LabelsExport(Export):
    """A file about labels: those of an iteration, or of any layer.

    Attributes
    ----------
    write : callable
        Writes a file, replacing one of that name.
    """

    write: Callable[[Path, NamedLabels], object]


@dataclass(frozen=True)
class FitExport(Export):
    """A file that needs the fit.

    Attributes
    ----------
    write : callable
        Writes a file, replacing one of that name.
    """

    write: Callable[[Path, Segmentation], object]


@dataclass(frozen=True)
class TableExport(Export):
    """A file of the table of structures.

    Attributes
    ----------
    write : callable
        Writes a file, replacing one of that name.
    """

    write: Callable[[Path, Sequence[Entry]], object]


AnyExport = LabelsExport | FitExport | TableExport


def write_iteration(
    kind: AnyExport,
    path: Path,
    session: Session,
    iteration: int,
    *,
    before: int | None = None,
    paired: bool = False,
) -> None:
    """Write a file of an iteration that is decoded at every voxel.

    Parameters
    ----------
    kind : LabelsExport, FitExport or TableExport
    path : Path
    session : Session
    iteration : int
    before : int, optional
        The iteration from which a table's changes are counted.
    paired : bool
        Whether a table has both sides of a structure in one line.

    Raises
    ------
    LookupError
        It is not.
    InputError
        If the file cannot be written.
    """
    if isinstance(kind, TableExport):
        table = structure_table(session, iteration, before)
        if table is None or not table.exact:
            raise LookupError(f"iteration {iteration} is not decoded everywhere")
        kind.write(path, arrange(table.rows, paired=paired))
        return
    if isinstance(kind, FitExport):
        kind.write(path, session.segmentation(iteration))
    else:
        kind.write(path, NamedLabels.of_iteration(session, iteration))


def _write_table(path: Path, entries: Sequence[Entry]) -> None:
    with complete_files([path], overwrite=True) as (file,):
        file.write_text(as_tsv(flat(entries)) + "\n", encoding="utf-8", newline="\n")


def _write_volumes(path: Path, labels: NamedLabels) -> None:
    export.write_volumes_csv(
        labels.label_map, labels.scan, path, protocol=labels.structures, overwrite=True
    )


def _write_probabilities(path: Path, result: Segmentation) -> None:
    export.write_probabilities(
        result.probability_volumes(),
        result.scan,
        path,
        protocol=result.protocol,
        details=result.report,
        overwrite=True,
    )


def _write_displacement(path: Path, result: Segmentation) -> None:
    export.write_displacement_field(result.displacement(), result.scan, path, overwrite=True)


TABLE = TableExport(
    "Table of structures (TSV)…",
    "The table above: volumes, changes and Dice, totals of groups, and the asymmetry if both sides"
    " are in one row.",
    "_structures.tsv",
    (".tsv",),
    _write_table,
)
_NIFTI = (".nii.gz", ".nii")
EXPORTS: tuple[AnyExport, ...] = (
    LabelsExport(
        "Save labels…",
        "Write the labels on the scan's own grid, with tables of names and of how they were made.",
        "_dseg.nii.gz",
        (*_NIFTI, ".mgz", ".mgh"),
        lambda path, labels: labels.write(path, overwrite=True),
    ),
    LabelsExport(
        "Volumes (CSV)…",
        "Volume of every structure, for spreadsheets and statistics.",
        "_volumes.csv",
        (".csv",),
        _write_volumes,
    ),
    TABLE,
    LabelsExport(
        "FreeSurfer colour table…",
        "Names and colours for FreeView, FSLeyes and 3D Slicer.",
        "_dseg_freesurfer.txt",
        (".txt",),
        lambda path, labels: export.write_lookup_table(
            labels.structures, path, "freesurfer", overwrite=True
        ),
    ),
    LabelsExport(
        "ITK-SNAP label descriptions…",
        "Names and colours for ITK-SNAP.",
        "_dseg_itksnap.txt",
        (".txt", ".label"),
        lambda path, labels: export.write_lookup_table(
            labels.structures, path, "itksnap", overwrite=True
        ),
    ),
    FitExport(
        "Probabilities (4D NIfTI)…",
        "Probability of every structure at every voxel, background first. A large file.",
        "_probseg.nii.gz",
        _NIFTI,
        _write_probabilities,
    ),
    FitExport(
        "Displacement field (ITK/ANTs)…",
        "Where every voxel lies in the template, as a transform that ITK and ANTs read.",
        "_displacement.nii.gz",
        _NIFTI,
        _write_displacement,
    ),
)
"""All that the panel offers: the first has a button of its own, the others are in its menu."""
