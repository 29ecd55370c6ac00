"""A folder of network weights, by path or by hub name, and the name that its content gives it."""

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from contract.errors import ConfigurationError

CONFIG_FILE = "config.json"
NEEDED = ("*.json", "*.safetensors")
"""Files that decide what a network gives; weights in other forms could run code and are left alone."""

SHOWN_DIGITS = 16


@cache
def find_folder(name: str) -> Path:
    """
    Find a folder of weights; from the hub it is fetched once, and what was fetched is used as it is.

    Args:
        name: The path of a folder, or a name on the hub such as "facebook/sam-vit-base".

    Raises:
        ConfigurationError: If there is no such folder and the hub does not give it, or files are missing.
    """
    folder = Path(name) if Path(name).exists() else _from_hub(name)
    for pattern in (CONFIG_FILE, "*.safetensors"):
        if not any(folder.glob(pattern)):
            raise ConfigurationError(
                f"weights {name}: no {pattern} in {folder}",
                hint=f"expected a folder that save_pretrained wrote: {CONFIG_FILE}, model.safetensors, ...",
            )
    return folder


@cache
def content_name(name: str) -> str:
    """Name a folder of weights by its own name and a hash of what is in it, fit for a file's name."""
    digest = hashlib.sha256()
    folder = find_folder(name)
    for file in sorted(path for pattern in NEEDED for path in folder.glob(pattern)):
        with file.open("rb") as stream:
            digest.update(file.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    readable = re.sub(r"[^\w.-]+", "-", Path(name).name)
    return f"{readable}-{digest.hexdigest()[:SHOWN_DIGITS]}"


def read_config(folder: Path) -> dict[str, Any]:
    """
    Read what the weights say of their network.

    Raises:
        ConfigurationError: If the file is damaged.
    """
    file = folder / CONFIG_FILE
    try:
        content = json.loads(file.read_bytes())
    except ValueError as error:
        raise ConfigurationError(f"{file}: broken JSON ({error})") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file}: expected a JSON object, got {type(content).__name__}")
    return content


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    wanted = list(NEEDED)
    try:
        try:
            return Path(snapshot_download(name, allow_patterns=wanted, local_files_only=True))
        except LocalEntryNotFoundError:
            return Path(snapshot_download(name, allow_patterns=wanted))
    except Exception as error:  # no network, no such name, no space: the hub client's own errors
        raise ConfigurationError(
            f"weights {name}: no such folder here, and the hub does not give them ({type(error).__name__})",
            hint="name a folder with config.json and model.safetensors, or look at the name and the network",
        ) from error
