"""What the examples in a folder depend on."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src_core.io.files import digest
from src_core.training.config import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from src_core.datasets.labelled import LabelledScan
    from src_core.datasets.settings import DataSettings
    from src_core.io.labels import Protocol
    from src_core.space.template import TemplateImage
    from src_core.training.settings import ExampleSettings


def examples_depend_on(
    data: DataSettings,
    scans: Iterable[LabelledScan],
    settings: ExampleSettings,
    tissues: Protocol,
    mirrors: bool,
    picture: TemplateImage | None,
    seed: int,
) -> dict[str, Any]:
    """What decides the examples in a folder, besides the intensity rule; for `claim`.

    Parameters
    ----------
    data : DataSettings
    scans : iterable of LabelledScan
        Of the train and val splits.
    settings : ExampleSettings
    tissues : Protocol
        Whose names tell what ages.
    mirrors : bool
        As in `Maker`.
    picture : TemplateImage or None
        What single slices are put in; None: volumes are seen whole.
    seed : int
    """
    shown = None if picture is None else picture.values.numpy().tobytes()
    return {
        # What label ids mean is asked when examples are used.
        "data": to_json(replace(data, mapping=None, mapping_column=None)),
        "scans": {scan.name: [scan.split, scan.fingerprint] for scan in scans},
        "examples": to_json(replace(settings, tissues="")),
        "label_maps": settings.label_maps
        and {
            path.name: digest(path.read_bytes())
            for path in sorted(settings.label_maps.glob("*"))
            if path.is_file()
        },
        "tissues": tissues.to_json(),
        "mirrors": mirrors,
        "template": shown and hashlib.sha256(shown).hexdigest(),
        "seed": seed,
    }
