"""Options that several verbs share, so that each is described once."""

import getpass
import os
import socket
from pathlib import Path
from typing import Annotated, Literal

import typer

Data = Annotated[Path, typer.Option(help="VOC, COCO or YOLO folder.")]
Change = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Change a recipe's field; an unknown FIELD lists all."),
]
Rename = Annotated[
    list[str] | None,
    typer.Option("--rename", metavar="OLD=NEW", help="Read a class under another name; may be repeated."),
]
Split = Annotated[str, typer.Option(help="Split to learn from.")]
Evaluate = Annotated[str, typer.Option(help="Split to score and draw; 'none' for neither.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last finished epoch.")]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave bad images out, listed, instead of stopping.")
]
Cache = Annotated[Path | None, typer.Option(help="Cached prior masks; default: the user's cache.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Devices = Annotated[int, typer.Option(min=1, help="Devices per machine.")]
Nodes = Annotated[
    int,
    typer.Option(
        min=1, help="Machines; start the command on each with torchrun, with --out and --cache shared."
    ),
]
Precision = Annotated[Literal["32-true", "bf16-mixed"], typer.Option(help="Of what is computed.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that read ahead.")]
Accumulate = Annotated[
    int, typer.Option(min=1, help="Parts that a step's batch is computed in, to save memory.")
]
ROOT = Path("model_repository")
Number = Annotated[int, typer.Argument(metavar="VERSION", help="As `box2seg models list` shows it.")]
Repository = Annotated[Path, typer.Option(help="The model repository that the server reads.")]
Model = Annotated[str, typer.Option(help="The model's name.")]
Why = Annotated[str, typer.Option(help="The reason; stands in the history.")]


def caller() -> str:
    """Name whoever types, for the history: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


Who = Annotated[
    str,
    typer.Option(
        default_factory=caller, show_default="user@host", help="Who does it; stands in the history."
    ),
]
Golden = Annotated[
    Path, typer.Option(help="VOC, COCO or YOLO folder with masks, of photos that nothing learns from.")
]
GoldenSplit = Annotated[str, typer.Option(help="Split of the golden set.")]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="OLD=NEW",
        help="A class of the live version that the candidate calls otherwise; OLD=background for one that is "
        "gone, background=NEW for one that is added. May be repeated.",
    ),
]
LimitFile = Annotated[Path | None, typer.Option(help="TOML file of limits: score_loss = 0.02, and so on.")]
LimitWords = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=VALUE",
        help="Change a limit: least_photos 20, score_loss 0.01, class_loss 0.05, boundary_loss 0.02, "
        "agreement 0.995, latency_ratio 1.25, memory_ratio 1.25, precision_loss 0.01.",
    ),
]
