"""Triton's config.pbtxt of a model: for the precision of its versions, and for engines built ahead."""

import re

from contract.errors import ManifestError

CONFIG_FILE = "config.pbtxt"

MODES = {"fp32": "FP32", "fp16": "FP16", "int8": "INT8"}
"""What TensorRT within ONNX Runtime has to be told, by precision; Triton has no word for bf16."""

MODE = re.compile(r'(key: "precision_mode" value: )"(\w+)"')
ACCELERATED = re.compile(r"^optimization \{.*?^\}\n", flags=re.MULTILINE | re.DOTALL)
BACKEND = re.compile(r'^backend: ".*"$', flags=re.MULTILINE)
INSTANCES = re.compile(r"^instance_group \[.*?\]$", flags=re.MULTILINE)
BATCH = re.compile(r"^max_batch_size: (\d+)", flags=re.MULTILINE)
NAME = re.compile(r'^name: ".*"$', flags=re.MULTILINE)

NO_TENSORRT = """\
# No TensorRT here: for files in bf16 Triton has no precision_mode, and another would compute in other bits.
# ONNX Runtime's CUDA provider runs them as they are typed; `box2seg engine build` makes TensorRT's engine.
"""


def configured(text: str, *, name: str, precision: str) -> str:
    """
    Give a configuration for a model of this name and precision.

    Args:
        text: The shipped model's config.pbtxt; nothing else in it is about one model.
        name: The model's name.
        precision: What its versions compute in.
    """
    named = NAME.sub(f'name: "{name}"', text, count=1)
    if precision not in MODES:
        return ACCELERATED.sub(NO_TENSORRT, named, count=1)
    return MODE.sub(rf'\1"{MODES[precision]}"', named)


def misfit(text: str, precision: str) -> str | None:
    """
    Say why TensorRT on a GPU would not compute a version as its file says; None where all is well.

    On a CPU nothing of this is read, so a version of another precision is served there all the same.

    Args:
        text: The config.pbtxt that is there.
        precision: What the version computes in.
    """
    found = MODE.search(text)
    mode = found[2] if found else None
    if mode is None or mode == MODES.get(precision):
        return None
    wanted = MODES.get(precision, "no TensorRT")
    return f"precision_mode is {mode}, and the version computes in {precision}, which wants {wanted}"


def batch_size(text: str) -> int:
    """
    Give the most images that a configuration lets into a request.

    Raises:
        ManifestError: If it does not say.
    """
    found = BATCH.search(text)
    if not found or int(found[1]) < 1:
        raise ManifestError(f"{CONFIG_FILE}: expected a line such as `max_batch_size: 8`")
    return int(found[1])


def engine_configured(text: str, *, profiles: int) -> str:
    """
    Give the configuration of a model's engines, for Triton's own TensorRT backend.

    Args:
        text: The model's config.pbtxt: names, shapes, batching and warm-up stay as they are.
        profiles: How many shape profiles each engine has; Triton takes the best one for each request.
    """
    numbers = ", ".join(f'"{number}"' for number in range(profiles))
    group = f"instance_group [ {{ count: 1 kind: KIND_GPU profile: [ {numbers} ] }} ]"
    engine = 'backend: "tensorrt"\ndefault_model_filename: "model.plan"'
    return ACCELERATED.sub("", INSTANCES.sub(group, BACKEND.sub(engine, text, count=1), count=1), count=1)
