"""`box2seg models`: which version of a model answers, which wait, and changing that."""

import typer

from cli.changes import canary, gc, promote, reject, rollback, withdraw
from cli.drift import drift
from cli.standing import diff, history, list_versions, show

VERBS = (show, diff, promote, canary, withdraw, reject, rollback, history, drift, gc)

models = typer.Typer(
    no_args_is_help=True, help="Which version of a model answers, which wait, and changing that."
)
models.command(name="list")(list_versions)
for verb in VERBS:
    models.command()(verb)


@models.callback()
def verbs() -> None:
    """
    Which version of a model answers, which wait, and changing that; a running server notices.

    Each change is added to the repository's registry/MODEL/history.jsonl, with who made it and why. The exit
    code is 1 where the gate, or another change at the same moment, stands against it.
    """
