"""A model's config.pbtxt as Triton takes it with a call: with the versions that it is to serve."""

from collections.abc import Collection
from pathlib import Path

from google.protobuf import json_format, text_format  # comes with tritonclient, whose messages it reads
from tritonclient.grpc import model_config_pb2

from contract.errors import EngineUnavailable

CONFIG_FILE = "config.pbtxt"


def config_of(path: Path, versions: Collection[int]) -> str:
    """
    Give a model's configuration as JSON, for these versions and no others.

    Triton leaves a version alone that it serves already and that is in the list, where nothing else differs
    from the configuration that it was loaded with; one that is not in the list ends with its last request.

    Args:
        path: The model's config.pbtxt.
        versions: At least one.

    Raises:
        EngineUnavailable: If the file is missing or is no configuration.
    """
    config = model_config_pb2.ModelConfig()
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), config)
    except (OSError, ValueError, text_format.ParseError) as error:
        raise EngineUnavailable(
            f"{path.parent.name}/{path.name}: no readable configuration ({error})",
            hint="box2seg publish writes it where it is missing",
        ) from error
    config.version_policy.specific.versions[:] = sorted(versions)
    return str(json_format.MessageToJson(config, preserving_proto_field_name=True, indent=None))
