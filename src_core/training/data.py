"""Labelled scans: where they are, in which split, and which class each of their label ids is."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError, SpatialImage

from src_core.errors import InputError
from src_core.export import image_stem
from src_core.labels import Protocol, read_table
from src_core.scan import Scan, read_label_map, read_on_grid, read_scan
from src_core.training.settings import DataSettings

IGNORED = 255
"""Class of voxels that take part in no loss and no score."""
UNKNOWN = 254
"""Class, in a mapping, of label ids that it does not list; no voxel may have it."""
SPLITS = ("train", "val", "test")

_PATTERNS = {"scan": "{name}_T1w.nii.gz", "labels": "{name}_labels.nii.gz"}
_MAPPING_COLUMNS = {"tissue4": "tissue4", "fs32": "freesurfer_id", "fs24-2d": "neurite_seg24"}
_LARGEST_ID = 65535
_SAME_GRID_VOXELS = 0.01
# Entities by which files made of one scan differ from it and from each other.
_DERIVED = ("space", "desc", "res", "den", "label", "atlas", "seg")
# Values of the entity space that stand for the grid of the scan itself.
_NATIVE = (None, "T1w", "orig")


@dataclass(frozen=True)
class LabelledScan:
    """One scan with its label map.

    Attributes
    ----------
    name : str
        Of the scan; no other has it.
    subject : str
        Whose scan it is.
    split : str
        "train", "val" or "test".
    scan, labels : Path
        Files.
    mask : Path or None
        File of the brain mask; None: the scan is skull-stripped.
    """

    name: str
    subject: str
    split: str
    scan: Path
    labels: Path
    mask: Path | None = None


def read_scans(
    data: DataSettings, needed: Collection[str] = ("train", "val")
) -> list[LabelledScan]:
    """List labelled scans and put each in a split.

    Parameters
    ----------
    data : DataSettings
        Its `path` is one of

        - a folder with ``subjects.csv`` (columns scan, subject, split), where a scan's files are
          ``<scan>_T1w.nii.gz`` and ``<scan>_labels.nii.gz``, or as the patterns say;
        - a folder of pairs that are found by the patterns, in subfolders too;
        - a BIDS tree: ``sub-*/[ses-*/]anat/*_T1w.nii.gz``, with ``*_dseg.nii.gz`` beside it or in
          ``derivatives/*/``;
        - a table (CSV or TSV) with the columns scan and labels (files, relative to the table) and,
          if wanted, mask, subject, split and name.

        Where nothing says whose scan it is, it is that of ``sub-<label>`` in its name, or
        of a subject of its own.
    needed : collection of str
        Splits that must not be empty.

    Returns
    -------
    list of LabelledScan
        In the order of the table, or by name.

    Raises
    ------
    InputError
        If files are missing or unpaired, names are not unique, a subject is in two splits or
        does not exist, or a split is empty.
    """
    scans = _found(data)
    if names := _repeated(scan.name for scan in scans):
        raise InputError(f"{data.path}: two scans have the name {names[0]}; give each its own")
    if paths := _repeated(scan.scan.resolve() for scan in scans):
        raise InputError(f"{data.path}: the scan {paths[0]} is listed twice; list it once")
    scans = _in_splits(scans, data)
    for split in needed:
        if not any(scan.split == split for scan in scans):
            raise InputError(
                f"{data.path}: no scan has the split {split!r}; {_advice(split, data)}"
            )
    return scans


def read_mapping(data: DataSettings, protocol: Protocol) -> np.ndarray:
    """Class of each label id of the label maps.

    Parameters
    ----------
    data : DataSettings
        Its `mapping` is a table, whose first column is the id in the label maps and one of
        whose columns is the id in the protocol, or such pairs. "ignore", or "ignored" in a column
        status, leaves an id out of losses and scores. An id of another protocol's column that this
        protocol lacks is background, and so is 0 unless it is listed. Without a mapping the label
        maps hold the protocol's own ids.
    protocol : Protocol

    Returns
    -------
    ndarray of uint8
        Class index by label id, `IGNORED` for what takes no part, `UNKNOWN` for what is not listed.

    Raises
    ------
    InputError
        If the table has no column for the protocol, or an entry is no id.
    """
    classes = {int(id): place for place, id in enumerate(protocol.ids)}
    if len(classes) > UNKNOWN:
        raise InputError(f"protocol {protocol.name}: at most {UNKNOWN - 1} structures are trained")
    by_id = {0: 0, **_listed_classes(data, protocol, classes)}
    mapping = np.full(max(by_id) + 1, UNKNOWN, np.uint8)
    mapping[list(by_id)] = list(by_id.values())
    return mapping


def check(scans: Iterable[LabelledScan], mapping: np.ndarray) -> None:
    """Find out before a training whether its files can be used.

    Of the scans only the headers are read, of the label maps everything: 0.1 s per scan of 1 mm.

    Parameters
    ----------
    scans : iterable of LabelledScan
    mapping : ndarray of uint8
        Class by label id.

    Raises
    ------
    InputError
        If a file is damaged, a label map or mask is on another grid than its scan, or a label id is
        not in the mapping.
    """
    for scan in scans:
        grid = _read_grid(scan.scan)
        labels = read_label_map(scan.labels)
        if labels is None:
            raise InputError(f"{scan.labels} does not hold whole numbers; give a label map")
        _check_same_grid(scan.labels, (labels.shape, labels.affine), grid)
        if scan.mask:
            _check_same_grid(scan.mask, _read_grid(scan.mask), grid)
        _to_classes(np.unique(labels.voxels), mapping, scan.labels)


def read_example(scan: LabelledScan, mapping: np.ndarray) -> tuple[Scan, np.ndarray]:
    """Read one scan and the class of each of its voxels.

    Returns
    -------
    scan : Scan
    classes : ndarray of uint8, shape (I, J, K)

    Raises
    ------
    InputError
        A label id is not in the mapping.
    """
    image = read_scan(scan.scan)
    label_map = read_on_grid(scan.labels, image, "reference")
    return image, _to_classes(label_map, mapping, scan.labels)


def read_mask(scan: LabelledScan, image: Scan) -> np.ndarray | None:
    """Read the brain mask of a scan, if it has one: (I, J, K), brain where above 0."""
    return read_on_grid(scan.mask, image, "mask") if scan.mask else None


def _found(data: DataSettings) -> list[LabelledScan]:
    """List the scans, with an empty split where none is given."""
    given = [text for text in (data.scans, data.labels, data.masks) if text]
    if data.path.is_file():
        if given:
            raise InputError(f"{data.path} names the files; leave scans, labels and masks out")
        return _from_table(data.path)
    if not data.path.is_dir():
        raise InputError(f"{data.path} does not exist; give a folder of scans or a table of them")
    if (data.path / "subjects.csv").is_file():
        return _from_subjects(data)
    has_patterns = any("{" in text for text in given)
    if not has_patterns and any(path.is_dir() for path in data.path.glob("sub-*")):
        return _from_bids(data)
    return _from_patterns(data)


def _from_table(table: Path) -> list[LabelledScan]:
    scans = []
    for row in read_table(table, ("scan", "labels")):
        files = {
            what: table.parent / Path(row[what]).expanduser()
            for what in ("scan", "labels", "mask")
            if row.get(what, "n/a").lower() not in ("", "n/a")
        }
        if not files.keys() >= {"scan", "labels"}:
            raise InputError(
                f"{table}: a row lacks its scan or its labels: {', '.join(row.values())}"
            )
        scans.append(_listed_scan(row, row.get("name") or image_stem(files["scan"]), files, table))
    return scans


def _from_subjects(data: DataSettings) -> list[LabelledScan]:
    table = data.path / "subjects.csv"
    columns = ["scan", "subject"]
    if data.val is None and data.test is None:
        columns.append("split")
    patterns = _patterns(data)
    scans = []
    for row in read_table(table, columns):
        files = {
            what: data.path / pattern.replace("{name}", row["scan"])
            for what, pattern in patterns.items()
        }
        scans.append(_listed_scan(row, row["scan"], files, table))
    return scans


def _listed_scan(
    row: Mapping[str, str], name: str, files: Mapping[str, Path], table: Path
) -> LabelledScan:
    """Make a scan of a table's row; its files must be there."""
    for path in files.values():
        if not path.is_file():
            raise InputError(f"{path}: no such file, but {table.name} lists it")
    # Names become names of files in the work folder, and must not lead out of it.
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise InputError(f"{table}: {name!r} cannot be a scan's name; leave out the first / and ..")
    subject = row.get("subject") or _subject_of(name)
    return LabelledScan(name, subject, row.get("split", ""), **files)


def _from_patterns(data: DataSettings) -> list[LabelledScan]:
    patterns = _patterns(data)
    # Where one pattern is another's end, a file belongs to the longer one.
    expressions = {
        what: _expression(patterns[what])
        for what in sorted(patterns, key=lambda what: len(patterns[what]), reverse=True)
    }
    files: dict[str, dict[str, Path]] = {what: {} for what in patterns}
    for path in sorted(data.path.rglob("*")):
        relative = path.relative_to(data.path)
        if any(part.startswith(".") for part in relative.parts) or not path.is_file():
            continue
        for what, expression in expressions.items():
            if match := expression.fullmatch(relative.as_posix()):
                files[what][match["name"]] = path
                break
    scans, labels = files["scan"], files["labels"]
    if not scans and not labels:
        raise InputError(
            f"{data.path} holds no subjects.csv, no sub-* folders of BIDS and no file"
            f" {patterns['scan']}; give the patterns scans and labels"
        )
    _refuse(scans.keys() - labels.keys(), "no label map for", data.path)
    _refuse(labels.keys() - scans.keys(), "no scan for the label map of", data.path)
    if "mask" in files:
        _refuse(scans.keys() - files["mask"].keys(), "no mask for", data.path)
    return [
        LabelledScan(name, _subject_of(name), "", **{what: files[what][name] for what in patterns})
        for name in scans
    ]


def _patterns(data: DataSettings) -> dict[str, str]:
    """Pattern of the names of each kind of file."""
    given = {"scan": data.scans, "labels": data.labels, "mask": data.masks}
    patterns = _PATTERNS | {what: pattern for what, pattern in given.items() if pattern}
    for pattern in patterns.values():
        if set(re.findall(r"\{.*?\}", pattern)) != {"{name}"}:
            raise InputError(f"the pattern {pattern!r} needs {{name}}, and nothing else in braces")
    return patterns


def _expression(pattern: str) -> re.Pattern[str]:
    first, *others = (re.escape(part) for part in pattern.split("{name}"))
    return re.compile(first + "(?P<name>.+)" + "(?P=name)".join(others))


def _from_bids(data: DataSettings) -> list[LabelledScan]:
    root = data.path
    folders = [root, *sorted(root.glob("derivatives/*"))]
    every = _bids_files([root], "T1w")
    scans = _with_entities(every, data.scans)
    if not scans:
        raise InputError(
            f"{root}: no file sub-*/[ses-*/]anat/*_T1w.nii.gz{_told(data.scans)}; give the root of"
            " a BIDS data set, or the patterns scans and labels"
        )
    label_maps = _with_entities(_bids_files(folders, "dseg"), data.labels)
    labels = _made_of_each(scans, label_maps, "labels", data.labels, root)
    acquisitions = [_acquisition(path) for path in every]
    stray = [path.name for path in label_maps if _acquisition(path) not in acquisitions]
    _refuse(stray, "no scan for the label map", root)
    masks: dict[Path, Path] = {}
    if data.masks:
        found = _with_entities(_bids_files(folders, "mask"), data.masks)
        masks = _made_of_each(scans, found, "masks", data.masks, root)
    return [
        LabelledScan(
            _bids_name(path), _subject_of(path.name), "", path, labels[path], masks.get(path)
        )
        for path in scans
    ]


def _bids_files(folders: Iterable[Path], suffix: str) -> list[Path]:
    """Anatomical images of a kind, such as T1w."""
    return [
        path
        for folder in folders
        for anatomy in ("sub-*/anat", "sub-*/ses-*/anat")
        for path in sorted(folder.glob(f"{anatomy}/*_{suffix}.nii*"))
        if path.name.endswith((".nii", ".nii.gz")) and path.is_file()
    ]


def _made_of_each(
    scans: Iterable[Path], files: Sequence[Path], setting: str, entities: str | None, root: Path
) -> dict[Path, Path]:
    """Find the one file that was made of each scan and lies on its grid."""
    found: dict[Path, Path] = {}
    missing = []
    any_space = "space" in _entities(entities or "")
    for scan in scans:
        fitting = [
            path
            for path in files
            if _acquisition(path) == _acquisition(scan) and (any_space or _same_space(path, scan))
        ]
        if len(fitting) > 1:
            listed = ", ".join(str(path.relative_to(root)) for path in fitting)
            raise InputError(
                f"{scan}: several files fit: {listed}; pick one by its entities, such as"
                f" {setting} = 'desc-manual', or pair the files by name patterns"
            )
        if fitting:
            found[scan] = fitting[0]
        else:
            missing.append(_bids_name(scan))
    _refuse(missing, f"no {setting}{_told(entities)} for", root)
    return found


def _with_entities(files: Iterable[Path], entities: str | None) -> list[Path]:
    """Those files whose names have all the entities."""
    wanted = _entities(entities or "")
    if entities and len(wanted) != len(entities.split("_")):
        raise InputError(f"{entities!r} is neither an entity, such as desc-manual, nor a pattern")
    return [path for path in files if wanted.items() <= _entities(path.name).items()]


def _entities(name: str) -> dict[str, str]:
    """Of a BIDS name: ``{"sub": "01", "desc": "manual"}``."""
    pairs = (part.partition("-") for part in name.split("_"))
    return {key: value for key, dash, value in pairs if dash}


def _acquisition(path: Path) -> dict[str, str]:
    """The entities that a scan shares with all that is made of it."""
    return {key: v for key, v in _entities(path.name).items() if key not in _DERIVED}


def _same_space(path: Path, scan: Path) -> bool:
    one, other = (_entities(file.name).get("space") for file in (path, scan))
    return one == other or (one in _NATIVE and other in _NATIVE)


def _bids_name(scan: Path) -> str:
    return image_stem(scan).removesuffix("_T1w")


def _told(entities: str | None) -> str:
    return f" with {entities}" if entities else ""


def _subject_of(name: str) -> str:
    """The BIDS subject in a scan's name; else the scan is that of a subject of its own."""
    match = re.search("(?:^|[/_])(sub-[a-zA-Z0-9]+)", name)
    return match[1] if match else name


def _refuse(names: Iterable[str], problem: str, where: Path) -> None:
    """Raise an error that lists the first names, if there are any."""
    listed = sorted(names)
    if listed:
        more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
        raise InputError(
            f"{where}: {problem} {', '.join(listed[:3])}{more}; complete the pairs or take them out"
        )


def _repeated(values: Iterable[Hashable]) -> list[Hashable]:
    return [value for value, count in Counter(values).items() if count > 1]


def _in_splits(scans: Sequence[LabelledScan], data: DataSettings) -> list[LabelledScan]:
    """Put each scan in the split that its table gives, or else in that of its subject."""
    if not any(scan.split for scan in scans):
        splits = _chosen_splits({scan.subject for scan in scans}, data)
        return [replace(scan, split=splits[scan.subject]) for scan in scans]
    if data.val is not None or data.test is not None:
        raise InputError(
            f"{data.path}: the table has a column split already; leave out val and test, or it"
        )
    splits = {}
    for scan in scans:
        if scan.split not in SPLITS:
            raise InputError(
                f"{data.path}: scan {scan.name} has the split {scan.split!r}, which is not one of"
                f" {', '.join(SPLITS)}"
            )
        if splits.setdefault(scan.subject, scan.split) != scan.split:
            raise InputError(f"{data.path}: subject {scan.subject} stands in two splits")
    return list(scans)


def _chosen_splits(subjects: set[str], data: DataSettings) -> dict[str, str]:
    """Split of each subject, by the lists and shares of the settings."""
    chosen: dict[str, str] = {}
    shares = {"val": 0.0, "test": 0.0}
    for split, wanted in (("val", data.val), ("test", data.test)):
        if not isinstance(wanted, tuple):
            shares[split] = wanted or 0.0
            continue
        for subject in wanted:
            if subject not in subjects:
                near = get_close_matches(subject, subjects) or sorted(subjects)[:3]
                raise InputError(
                    f"{data.path}: no scan is of the subject {subject!r} that {split} names; there"
                    f" are {', '.join(near)}"
                )
            if chosen.setdefault(subject, split) != split:
                raise InputError(f"{data.path}: subject {subject} stands in two splits")
    for subject in subjects - chosen.keys():
        # By the subject's name alone, so that another subject moves nobody to another split.
        digest = hashlib.sha256(f"{data.seed} {subject}".encode()).digest()
        drawn = int.from_bytes(digest[:8], "big") / 2**64
        in_val = drawn < shares["test"] + shares["val"]
        chosen[subject] = "test" if drawn < shares["test"] else "val" if in_val else "train"
    return chosen


def _advice(split: str, data: DataSettings) -> str:
    """What to do about a split that is empty."""
    if split == "train":
        return "leave subjects to train on, or add some"
    if isinstance(getattr(data, split), float | int):
        return f"the draw fell on nobody: name subjects in {split}, or change the seed of data"
    return (
        f"name subjects in the table's column split or in {split}, or set {split} to a share (0.15)"
    )


def _listed_classes(
    data: DataSettings, protocol: Protocol, classes: Mapping[int, int]
) -> dict[int, int]:
    """Class by label id, as the mapping lists them; `classes` are those of the protocol's ids."""
    table = _mapping_table(data)
    if data.mapping_column and not table:
        raise InputError(
            f"mapping_column: there is no table with the column {data.mapping_column!r}; name it in"
            " mapping"
        )
    if table:
        column, pairs = _pairs_of_table(table, data.mapping_column, protocol)
    elif isinstance(data.mapping, dict):
        column, pairs = protocol.name, [(id, str(value)) for id, value in data.mapping.items()]
    else:
        return dict(classes)
    where = table or "mapping"
    listed: dict[int, int] = {}
    for text, value in pairs:
        id = _whole(text, f"{where}: the label id")
        if id > _LARGEST_ID:
            raise InputError(f"{where}: the label id {id} is above {_LARGEST_ID}; renumber it")
        if id in listed:
            raise InputError(f"{where}: the label id {id} is listed twice; list it once")
        if value == "ignore":
            listed[id] = IGNORED
            continue
        goal = _whole(value, f"{where}: what label id {id} becomes ('ignore', or an id)")
        if goal not in classes and column == protocol.name:
            raise InputError(
                f"{where}: label id {id} becomes {goal}, which is no id of protocol {protocol.name}"
            )
        listed[id] = classes.get(goal, 0)
    return listed


def _mapping_table(data: DataSettings) -> Path | None:
    if data.mapping is None:
        folder = data.path if data.path.is_dir() else data.path.parent
        table = folder / "label_mapping.csv"
        return table if table.is_file() else None
    return data.mapping if isinstance(data.mapping, Path) else None


def _pairs_of_table(
    table: Path, column: str | None, protocol: Protocol
) -> tuple[str, list[tuple[str, str]]]:
    """The column that leads to the protocol, and what it holds by label id."""
    rows = read_table(table, [column] if column else [])
    if not rows:
        raise InputError(f"{table}: has no rows; give the class of each label id")
    own = next(iter(rows[0]))
    if column is None:
        names = (protocol.name, _MAPPING_COLUMNS.get(protocol.name, protocol.name))
        column = next((name for name in names if name in rows[0]), None)
        if column is None:
            raise InputError(
                f"{table}: no column {names[-1]!r} for the protocol {protocol.name}; name one in"
                " mapping_column"
            )
    return column, [
        (row[own], "ignore" if row.get("status") == "ignored" else row[column]) for row in rows
    ]


def _whole(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise InputError(f"{what} is {text!r}, not a whole number from 0 on")
    return int(text)


def _to_classes(label_map: np.ndarray, mapping: np.ndarray, path: Path) -> np.ndarray:
    """Class of each label id, of which `path` holds no unknown one."""
    # Ids outside the mapping, negative ones too, fall on its last entry.
    ids = np.clip(label_map.astype(np.int64, copy=False), -1, len(mapping))
    classes = np.append(mapping, np.uint8(UNKNOWN))[ids]
    if (classes == UNKNOWN).any():
        unknown = np.unique(label_map[classes == UNKNOWN]).tolist()
        listed = ", ".join(map(str, unknown[:8])) + (", ..." if len(unknown) > 8 else "")
        raise InputError(
            f"{path}: label ids {listed} are not in the mapping; list them there, as 'ignore' if"
            " they shall take no part"
        )
    return classes


def _read_grid(path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape, as three axes, and affine of an image, by its header alone."""
    try:
        image = nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path} cannot be read ({error}); copy or export it again") from error
    if not isinstance(image, SpatialImage):
        raise InputError(f"{path} is not a NIfTI or MGH file; convert it to .nii.gz")
    return (*image.shape, 1)[: max(3, len(image.shape))], image.affine


def _check_same_grid(
    path: Path,
    grid: tuple[tuple[int, ...], np.ndarray],
    scan_grid: tuple[tuple[int, ...], np.ndarray],
) -> None:
    (shape, affine), (scan_shape, scan_affine) = grid, scan_grid
    advice = "resample it to the scan's grid with nearest-neighbour interpolation"
    if shape != scan_shape:
        raise InputError(f"{path} has shape {shape}, its scan {scan_shape}; {advice}")
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(shape) - 1)
    shift = np.linalg.norm(apply_affine(affine - scan_affine, corners), axis=1).max()
    if not shift <= _SAME_GRID_VOXELS * voxel_sizes(scan_affine).min():
        raise InputError(f"{path} lies up to {shift:.3g} mm off its scan's voxels; {advice}")
