"""The scans of a cohort: where they are, and whose."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from src_core.cohort.places import CORRECTED, PARTICIPANTS, mask_name, sessions_table
from src_core.errors import InputError
from src_core.io.bids_names import entities_of, is_bids_name, label_of
from src_core.io.export import image_stem
from src_core.io.files import IMAGE_ENDINGS
from src_core.io.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

TRAITS = ("age", "sex")
"""What of a person goes into the tables."""
ID_OF = {"sub": "participant_id", "ses": "session_id"}
"""Column that tells whose a row is, in BIDS' tables of people and of one's sessions."""
_MOST_NAMED = 10
_TABLES = (".csv", ".tsv")


@dataclass(frozen=True)
class CohortScan:
    """One scan of a cohort.

    Attributes
    ----------
    path : Path
        File, or folder of DICOM files.
    name : str
        Name that its outputs have, as of a file of BIDS: ``sub-01_ses-2_T1w``.
    mask, reference : Path or None
        Of the brain; label map to compare with.
    traits : mapping of str to str
        Of `TRAITS`, those that are known.
    dataset : Path or None
        The BIDS data set that it lies in.
    """

    path: Path
    name: str
    mask: Path | None = None
    reference: Path | None = None
    traits: Mapping[str, str] = field(default_factory=dict)
    dataset: Path | None = None


@dataclass(frozen=True)
class Filters:
    """Which scans of a cohort are taken.

    Attributes
    ----------
    participants, sessions : collection of str
        Labels, with or without ``sub-`` and ``ses-``; none: all.
    pattern : str or None
        Of the file's name (``*_acq-mprage_T1w.nii.gz``) or, with a ``/``, of its path below the
        folder that is searched; of scans in a table or given by name, of the end of the path.
    """

    participants: Collection[str] = ()
    sessions: Collection[str] = ()
    pattern: str | None = None

    def narrowed(self, scans: Sequence[CohortScan]) -> list[CohortScan]:
        """The scans with the labels asked for.

        Raises
        ------
        InputError
            There is none of a participant or session.
        """
        kept = list(scans)
        asked = (("sub", "participant", self.participants), ("ses", "session", self.sessions))
        for key, what, wanted in asked:
            labels = {label.removeprefix(f"{key}-") for label in wanted}
            found = {entities_of(scan.name).get(key, "") for scan in kept}
            if missing := sorted(labels - found):
                raise InputError(f"there is no scan of {what} {', '.join(missing)}")
            kept = [s for s in kept if not labels or entities_of(s.name).get(key) in labels]
        return kept


def find_scans(inputs: Sequence[Path], filters: Filters) -> list[CohortScan]:
    """List the scans of a cohort.

    Parameters
    ----------
    inputs : sequence of Path
        One BIDS data set, folder or table (CSV or TSV with the column scan and, if wanted, mask,
        reference, subject, session, age and sex; files relative to the table), or names of scans.
    filters : Filters

    Returns
    -------
    list of CohortScan
        By name; each has files of its own in the output.

    Raises
    ------
    InputError
        There are none, files are missing, or two would have the same files in the output.
    """
    if missing := [str(path) for path in inputs if not path.exists()]:
        raise InputError(f"{_listed(missing)}: no such file or folder; check the name")
    scans = filters.narrowed(_found(inputs, filters.pattern))
    by_mask: dict[str, Path] = {}
    for scan in scans:
        if entities_of(scan.name).get("desc") == CORRECTED:
            raise InputError(
                f"{scan.path} is named as labels are that somebody corrected: leave it out, or"
                f" give it a name without desc-{CORRECTED}"
            )
        # What is made of a scan has another suffix, and its mask another desc: of scans that
        # differ in nothing else one would take the other's place.
        mask = mask_name(scan.name)
        if mask in by_mask:
            raise InputError(
                f"{by_mask[mask]} and {scan.path} would both be written as"
                f" {image_stem(mask)}; leave one out, or name them apart in a table with the"
                " columns scan, subject and session"
            )
        by_mask[mask] = scan.path
    return sorted(scans, key=lambda scan: scan.name)


def _found(inputs: Sequence[Path], pattern: str | None) -> list[CohortScan]:
    if len(inputs) > 1 or inputs[0].is_file():
        if inputs[0].suffix.lower() not in _TABLES:
            given = [CohortScan(path, _name_of(path.name)) for path in inputs]
            return _named(pattern, given)
        if len(inputs) > 1:
            raise InputError(f"{inputs[0]} is a table; give one table and nothing else")
        return _named(pattern, _from_table(inputs[0]))
    root = inputs[0]
    if (root / "dataset_description.json").exists() or any(root.glob("sub-*/**/anat")):
        return _from_bids(root, pattern or "*_T1w.nii*")
    files = sorted(
        path
        for path in root.rglob("*")
        if path.name.lower().endswith(IMAGE_ENDINGS)
        and not any(_is_left_out(part) for part in path.relative_to(root).parts)
    )
    fitting = [path for path in files if _fits(path.relative_to(root), pattern)]
    if not fitting:
        told = f" named {pattern}" if pattern else ""
        raise InputError(f"{root} holds no scan{told} (.nii, .nii.gz, .mgz or .mgh)")
    return [CohortScan(path, _name_of(path.relative_to(root).as_posix())) for path in fitting]


def _is_left_out(part: str) -> bool:
    """Whether nothing below a folder is a scan: it is hidden, or has what was made of scans."""
    return part.startswith(".") or part == "derivatives"


def _named(pattern: str | None, scans: list[CohortScan]) -> list[CohortScan]:
    """Those of scans that lie anywhere whose name, or the end of whose path, a pattern fits."""
    if pattern is None:
        return scans
    # No folder is searched, so that one in the pattern may be any of those above the file.
    below_any = f"*/{pattern}" if "/" in pattern else pattern
    kept = [scan for scan in scans if _fits(scan.path.absolute(), below_any)]
    if not kept:
        raise InputError(f"there is no scan named {pattern} among those given")
    return kept


def _from_bids(root: Path, pattern: str) -> list[CohortScan]:
    files = sorted(
        path
        for anatomy in ("sub-*/anat", "sub-*/ses-*/anat")
        for path in root.glob(f"{anatomy}/*.nii*")
        if path.name.endswith((".nii", ".nii.gz")) and _fits(path.relative_to(root), pattern)
    )
    if not files:
        raise InputError(
            f"{root}: no file sub-*/[ses-*/]anat/{pattern}; give the root of a BIDS data set, or"
            " another pattern"
        )
    people = read_traits(root / PARTICIPANTS)
    return [
        CohortScan(path, name, traits=traits_of(name, root, people), dataset=root)
        for path in files
        for name in (str(image_stem(path)),)
    ]


def traits_of(
    name: str, dataset: Path, people: Mapping[str, Mapping[str, str]]
) -> Mapping[str, str]:
    """Age and sex of whom a scan shows, at the time of its session.

    Parameters
    ----------
    name : str
        Of the scan, as BIDS has it.
    dataset : Path
        That has the tables of sessions.
    people : mapping
        Of its table of people, as `read_traits` gives it.

    Raises
    ------
    InputError
        A table of sessions is damaged.
    """
    entities = entities_of(name)
    known = dict(people.get(entities["sub"], {}))
    if "ses" in entities:
        sessions = read_traits(sessions_table(dataset, entities["sub"]), "ses")
        known |= sessions.get(entities["ses"], {})
    return known


def read_traits(table: Path, whose: str = "sub") -> dict[str, dict[str, str]]:
    """Age and sex by participant or session, without ``sub-`` or ``ses-``; no table: of none.

    Raises
    ------
    InputError
        It is no such table.
    """
    if not table.exists():
        return {}
    column = ID_OF[whose]
    rows = read_table(table, [column], strict=False)
    return {row[column].removeprefix(f"{whose}-"): _traits(row) for row in rows}


def _traits(row: Mapping[str, str]) -> dict[str, str]:
    return {trait: row[trait] for trait in TRAITS if _is_there(row.get(trait))}


def _from_table(table: Path) -> list[CohortScan]:
    """The scans that a table lists; all of its files must be there."""
    scans, missing = [], []
    for row in read_table(table, ["scan"]):
        if not _is_there(row["scan"]):
            raise InputError(f"{table}: a row lacks its scan: {', '.join(row.values())}")
        files = {
            what: table.parent / Path(row[what]).expanduser()
            for what in ("scan", "mask", "reference")
            if _is_there(row.get(what))
        }
        missing += [str(path) for path in files.values() if not path.exists()]
        named = _name_of(Path(row["scan"]).name)
        given = {"sub": row.get("subject"), "ses": row.get("session")}
        for key, value in given.items():
            if value and _is_there(value):
                named = _with_label(named, key, value.removeprefix(f"{key}-"))
        scans.append(
            CohortScan(
                files["scan"], named, files.get("mask"), files.get("reference"), _traits(row)
            )
        )
    if missing:
        raise InputError(f"{table} lists what does not exist: {_listed(missing)}")
    if not scans:
        raise InputError(f"{table} lists no scan")
    return scans


def _name_of(path: str) -> str:
    """The name of a scan by BIDS: its own if it is one, else that of a subject of its own."""
    stem = image_stem(path)
    if is_bids_name(stem):
        return stem
    parts = path[: len(path) - len(Path(path).name)] + re.sub("(?i)(^|[_-])T1w?$", "", stem)
    return f"sub-{label_of(parts) or 'unnamed'}_T1w"


def _with_label(name: str, key: str, label: str) -> str:
    """The name with another subject or session."""
    if not label_of(label):
        raise InputError(f"{label!r} cannot be the label of {key}; give letters and digits")
    every = {**entities_of(name), key: label_of(label)}
    ordered = {k: every[k] for k in ("sub", "ses") if k in every} | every
    return "_".join([*(f"{k}-{value}" for k, value in ordered.items()), name.rpartition("_")[2]])


def _fits(path: Path, pattern: str | None) -> bool:
    if pattern is None:
        return True
    return fnmatch(path.as_posix() if "/" in pattern else path.name, pattern)


def _is_there(cell: str | None) -> bool:
    return (cell or "n/a").lower() not in ("", "n/a")


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _MOST_NAMED} more" if len(every) > _MOST_NAMED else ""
    return ", ".join(every[:_MOST_NAMED]) + more
