"""What is generated is read by Triton's own schema, as tritonclient ships it."""

from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from contract.errors import ManifestError
from contract.manifest import PRECISIONS
from export.configuration import batch_size, configured, engine_configured, misfit
from export.publish import CONFIG_TEMPLATE

SHIPPED = CONFIG_TEMPLATE.read_text(encoding="utf-8")


def parsed(text: str) -> Any:
    """Read a configuration as Triton does; what it does not know is refused."""
    return text_format.Parse(text, model_config_pb2.ModelConfig())


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_models_configuration(precision: str) -> None:
    """It is the shipped one under the model's name; TensorRT's mode alone follows the precision."""
    config, shipped = parsed(configured(SHIPPED, name="pets", precision=precision)), parsed(SHIPPED)
    assert config.name == "pets"
    assert [(each.name, each.data_type) for each in config.input] == [("image", model_config_pb2.TYPE_UINT8)]
    config.name = shipped.name
    for each in (config, shipped):
        each.ClearField("optimization")
    assert config == shipped


@pytest.mark.parametrize(("precision", "mode"), [("fp32", "FP32"), ("fp16", "FP16"), ("int8", "INT8")])
def test_the_mode_is_that_of_the_files_types(precision: str, mode: str) -> None:
    """TensorRT computes in the file's precision; its other parameters are those of the shipped model."""
    config, shipped = (
        dict(parsed(text).optimization.execution_accelerators.gpu_execution_accelerator[0].parameters)
        for text in (configured(SHIPPED, name="pets", precision=precision), SHIPPED)
    )
    assert config == {**shipped, "precision_mode": mode}


def test_bf16_has_no_mode_in_triton() -> None:
    """There TensorRT within ONNX Runtime is left out: any other mode would compute in other bits."""
    text = configured(SHIPPED, name="pets", precision="bf16")
    assert not parsed(text).optimization.execution_accelerators.gpu_execution_accelerator
    assert misfit(text, "bf16") is None


@pytest.mark.parametrize(
    ("precision", "problem"),
    [
        ("fp32", None),
        ("fp16", "precision_mode is FP32, and the version computes in fp16, which wants FP16"),
        ("bf16", "precision_mode is FP32, and the version computes in bf16, which wants no TensorRT"),
        ("int8", "precision_mode is FP32, and the version computes in int8, which wants INT8"),
    ],
)
def test_a_configuration_for_another_precision(precision: str, problem: str | None) -> None:
    """A version that TensorRT would compute otherwise than its file says is found."""
    assert misfit(SHIPPED, precision) == problem


def test_the_configuration_of_engines() -> None:
    """Engines are for Triton's own backend, on GPUs, with all their profiles; all else stays."""
    config, shipped = parsed(engine_configured(SHIPPED, profiles=3)), parsed(SHIPPED)
    assert (config.backend, config.default_model_filename) == ("tensorrt", "model.plan")
    (group,) = config.instance_group
    assert (group.kind, list(group.profile)) == (
        model_config_pb2.ModelInstanceGroup.KIND_GPU,
        ["0", "1", "2"],
    )
    assert not config.HasField("optimization")
    assert (config.input, config.output) == (shipped.input, shipped.output)
    assert (config.model_warmup, config.dynamic_batching) == (shipped.model_warmup, shipped.dynamic_batching)
    assert batch_size(SHIPPED) == config.max_batch_size == 8


def test_a_configuration_without_a_batch_size() -> None:
    """What engines are built for must be said."""
    with pytest.raises(ManifestError, match="max_batch_size"):
        batch_size(SHIPPED.replace("max_batch_size: 8", "max_batch_size: 0"))
