"""Workers as jobs of a queue, through dask-jobqueue."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from src_core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

QUEUES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
}


def queue_cluster(file: Path, jobs: int | None) -> Any:
    """A cluster whose workers are jobs of a queue.

    Parameters
    ----------
    file : Path
        YAML: ``jobs``, and below the name of the queue the parameters of dask-jobqueue's class.
    jobs : int or None
        Goes before that of the file.

    Raises
    ------
    InputError
        The file says no such thing, dask-jobqueue is not installed, or the queue refuses.
    """
    queue, parameters, said = _read(file)
    jobs = jobs or said
    if jobs is None:
        raise InputError(f"{file} does not say how many jobs; add `jobs: 10`", option="workers")
    if find_spec("dask_jobqueue") is None:
        raise InputError(
            'queues need dask-jobqueue, which is not installed: pip install "napari-metaseg[batch]"'
        )
    import dask_jobqueue

    # A worker of one thread for each core of a job.
    parameters.setdefault("processes", parameters.get("cores", 1))
    options = parameters.setdefault("scheduler_options", {})
    options.setdefault("dashboard_address", "127.0.0.1:0")
    try:
        cluster = getattr(dask_jobqueue, QUEUES[queue])(**parameters)
        cluster.scale(jobs=jobs)
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise InputError(f"{file}: the queue {queue} cannot be used ({error})") from error
    return cluster


def _read(file: Path) -> tuple[str, dict[str, Any], int | None]:
    """Name of the queue, parameters, and number of jobs."""
    import yaml

    try:
        told = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    queues = [name for name in QUEUES if isinstance(told, dict) and name in told]
    if len(queues) != 1 or not isinstance(told[queues[0]], dict):
        raise InputError(
            f"{file} must have the parameters of one queue below its name: {', '.join(QUEUES)}"
        )
    jobs = told.get("jobs")
    if jobs is not None and (not isinstance(jobs, int) or jobs < 1):
        raise InputError(f"{file}: jobs must be a whole number from 1 on")
    return queues[0], dict(told[queues[0]]), jobs
