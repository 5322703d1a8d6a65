"""A cohort from its scans to its tables: the one call behind the commands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from src_core.cohort.cluster import ClusterSettings, connected, require_dask
from src_core.cohort.derivatives import write_description
from src_core.cohort.inputs import Filters, find_scans
from src_core.cohort.plan import check_apart, claim, plan, settings_of
from src_core.cohort.products import NOTHING_MORE, Products
from src_core.cohort.records import note
from src_core.cohort.tasks import Outcome
from src_core.cohort.work import outcomes
from src_core.models.bundled import model_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from distributed import Client

    from src_core.request import Request


@dataclass(frozen=True)
class Batch:
    """What is asked of a cohort.

    Attributes
    ----------
    inputs : sequence of Path
        As in `find_scans`.
    output : Path
        Folder, made if need be.
    request : Request
        Options of all scans; its own scan, mask and reference are not looked at.
    filters : Filters
    cluster : ClusterSettings
    time_limit : float
        Seconds after which a scan is given up; 0: never.
    products : Products
        What is written besides labels, mask and picture.
    overwrite : bool
        Whether labels that were made with other options are replaced.
    """

    inputs: Sequence[Path]
    output: Path
    request: Request
    filters: Filters
    cluster: ClusterSettings
    time_limit: float = 0
    products: Products = NOTHING_MORE
    overwrite: bool = False


def run_batch(batch: Batch, begin: Callable[[int, int, Client | None], None]) -> Iterator[Outcome]:
    """Segment all scans of a cohort that have no labels yet, or whose labels are out of date.

    Parameters
    ----------
    batch : Batch
    begin : callable
        Called once with the number of scans to be done, of those that are done, and the client.

    Yields
    ------
    Outcome
        Of each scan, as it ends.

    Raises
    ------
    InputError
        Something given cannot be used; nothing was begun.
    """
    require_dask()
    batch = _findable(batch)
    check_apart(batch.inputs, batch.output)
    scans = find_scans(batch.inputs, batch.filters)
    # One thread each: with the same number of them the labels are the same, wherever they are made.
    request = replace(batch.request, threads=batch.request.threads or 1)
    settings = settings_of(request)
    claim(batch.output, settings, batch.overwrite)
    write_description(batch.output, settings, scans)
    tasks, done = plan(scans, request, settings, batch.output, batch.time_limit, batch.products)
    for task in done:  # a failure of another run, or with other options, is over
        note(Outcome(task))
    if not tasks:
        begin(0, len(done), None)
        return
    for task in tasks:
        for folder in task.place.folders:
            folder.mkdir(parents=True, exist_ok=True)
    with connected(batch.cluster, len(tasks), request.device) as client:
        begin(len(tasks), len(done), client)
        for outcome in outcomes(client, tasks):
            note(outcome)
            yield outcome


def _findable(batch: Batch) -> Batch:
    """The batch with whole paths, for workers and later users of its output in other folders."""
    model = str(batch.request.model)
    if model_path(model) == Path(model):  # a file; others are known by name
        model = str(Path(model).absolute())
    return replace(
        batch,
        inputs=[path.absolute() for path in batch.inputs],
        output=batch.output.absolute(),
        request=replace(batch.request, model=model),
    )
