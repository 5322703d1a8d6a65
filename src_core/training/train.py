"""Make a model from labelled scans.

Stages, each resumable: *examples* (scans as points, plain and changed), *group* (families with a
template network: the mean picture, sharpened by warping), *start* (the shared weights), *meta*
(the start, learned through the fit), *fits* (every example fitted as at test time, from intensities
alone), *head* (trained on the fitted networks, because test-time fitting never sees labels), *model
file*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from src_core.fitting.device import choose_device
from src_core.training import distributed
from src_core.training.plots import write_curves
from src_core.training.stages.card import write_card
from src_core.training.stages.examples import make_examples
from src_core.training.stages.fits import fit_examples
from src_core.training.stages.group import make_group
from src_core.training.stages.head import train_head
from src_core.training.stages.meta import meta_train
from src_core.training.stages.start import train_start
from src_core.training.task import claim_folders, new_network, read_task

if TYPE_CHECKING:
    from src_core.training.settings import TrainingSettings


def train(settings: TrainingSettings) -> None:
    """Train a model and write its file; run again, it goes on where it was interrupted.

    Parameters
    ----------
    settings : TrainingSettings

    Raises
    ------
    InputError
        The data can't be used, a folder belongs to another training or an earlier version, or the
        loss is no longer finite.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = distributed.join(choose_device(settings.device))
    torch.manual_seed(settings.seed)
    task = read_task(settings)
    network = new_network(task).to(device)
    picture = task.given.template() if task.given else None
    claim_folders(task, network, picture if settings.examples.slices else None)
    examples = make_examples(task, picture)
    made_of_scans = network.settings.has_template_network and task.given is None
    group = make_group(task, network, examples) if made_of_scans else None
    if task.earlier is None and (group or not network.settings.has_template_network):
        train_start(task, network, examples, group)
    if settings.meta:
        labelled = [(one.points, examples.classes[one.name]) for one in examples.plain]
        meta_train(
            network,
            labelled,
            settings.meta,
            settings.outer,
            settings.work_folder,
            settings.seed + 2,
        )
    weights = fit_examples(task, network, examples)
    dice = train_head(task, network, examples, weights)
    if distributed.rank() == 0:
        write_card(task, network, examples.rule, dice)
        names = ("start", "meta", "head", "head-scores")
        logs = [settings.work_folder / f"{name}.csv" for name in names]
        write_curves(logs, settings.work_folder / "curves.png")
    distributed.wait()
