"""The processes of a training run: one, or several on one machine or many that know of each other."""

import os
from datetime import timedelta

from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.utilities.exceptions import MisconfigurationException

from contract.errors import ConfigurationError
from training.prepare import Plan
from training.recipes.recipe import Recipe

STARTERS = ("MASTER_ADDR", "SLURM_JOB_ID", "OMPI_COMM_WORLD_SIZE", "LSB_JOBID")
"""Variables by which torchrun, SLURM, MPI and LSF tell machines of each other; else they wait."""

TORCHRUN = "TORCHELASTIC_RUN_ID"
"""The variable that torchrun alone sets; with it, it also says how many processes it started."""

PATIENCE = timedelta(hours=12)
"""How long processes wait for the first one, which guesses masks and scores for all."""


def launch(recipe: Recipe, plan: Plan) -> Fabric:
    """
    Start what a run computes with; where it has several devices, all of its processes come back from here.

    Raises:
        ConfigurationError: If there are no such devices, whoever started the processes started others than
            the plan says, or a batch cannot be dealt out to them.
    """
    _refuse_other_processes(plan)
    several = plan.devices * plan.nodes > 1
    try:
        fabric = Fabric(
            accelerator=plan.accelerator,
            devices=plan.devices,
            num_nodes=plan.nodes,
            precision=plan.precision,
            strategy=DDPStrategy(timeout=PATIENCE) if several else "auto",
        )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        raise ConfigurationError(f"device, devices, nodes or precision: {error}") from error
    fabric.launch()
    parts = fabric.world_size * plan.accumulate
    if recipe.batch_size % parts or recipe.batch_size < 2 * parts:
        raise ConfigurationError(
            f"batch_size {recipe.batch_size} cannot be dealt out to {fabric.world_size} devices "
            f"in {plan.accumulate} parts, at least 2 photos to each and as many to all"
        )
    return fabric


def _refuse_other_processes(plan: Plan) -> None:
    if plan.nodes > 1 and not any(name in os.environ for name in STARTERS):
        raise ConfigurationError(
            f"{plan.nodes} machines: nothing says where the others are",
            hint=f"start it on each with torchrun --nnodes {plan.nodes} --nproc-per-node {plan.devices} "
            "--rdzv-backend c10d --rdzv-endpoint FIRST_HOST:29500 -m cli train …",
        )
    if TORCHRUN not in os.environ:
        return
    started, here = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if started != plan.devices * plan.nodes:  # each would be a run of its own, all in one folder
        raise ConfigurationError(
            f"torchrun started {started} processes, {here} of them here; the run is for "
            f"{plan.devices} on each of {plan.nodes} machines",
            hint=f"--devices {here} --nodes {started // here}",
        )
