"""
TensorRT engines built ahead, beside the published versions that they are made from.

An engine folder is a model repository of its own: `<out>/<name>/{config.pbtxt, <version>/model.plan}`. The
versions with their manifests stay where they are; an engine is a cache of one for one GPU and one TensorRT.
"""

from pathlib import Path
from typing import Any

from contract.errors import DependencyMissing, ExportError
from contract.files import written_whole
from contract.manifest import IMAGE, MODEL_FILE, Manifest, read_manifest, verify_files
from export.configuration import CONFIG_FILE, batch_size, engine_configured
from export.engines import EngineKey, check_engine, write_engine
from export.profiles import Profile, profiles

TIMING_FILE = "timing.cache"
"""Beside the models: what TensorRT timed for one version helps with the next."""

WHERE = (
    "pip install tensorrt (its libraries come from NVIDIA's index), or run it in NVIDIA's tritonserver "
    "container; without it, config.pbtxt has Triton build an engine when it loads the version"
)


def build_engine(version: Path, out: Path, *, workspace_bytes: int) -> tuple[Path, bool]:
    """
    Build the engine of a published version for this machine's GPU, unless it is there.

    Args:
        version: The version's folder in the model repository.
        out: The engine repository; made if need be.
        workspace_bytes: GPU memory that TensorRT may use while it tries kernels.

    Returns:
        The engine's file, and whether it had to be built.

    Raises:
        DependencyMissing: If TensorRT or a GPU is not here.
        ExportError: If TensorRT cannot build it.
        ManifestError: If the version is not as it was published.
    """
    manifest = _buildable(version)
    config = (version.parent / CONFIG_FILE).read_text(encoding="utf-8")
    shapes = profiles(manifest.fit, batch_size(config))
    trt = load_tensorrt()
    key = engine_key(trt, manifest, shapes)
    model = out / manifest.name
    folder = model / version.name
    try:
        return check_engine(folder, key), False
    except ExportError:
        plan = _built(trt, version / MODEL_FILE, shapes, out / TIMING_FILE, workspace_bytes)
    with written_whole(model / CONFIG_FILE) as stream:
        stream.write(engine_configured(config, profiles=len(shapes)).encode())
    return write_engine(folder, plan, key), True


def find_engine(version: Path, out: Path) -> Path:
    """
    Give the engine that was built of a version, proved to be for this machine.

    Raises:
        DependencyMissing: If TensorRT or a GPU is not here.
        ExportError: If there is none, or it was built otherwise.
    """
    manifest = _buildable(version)
    config = (version.parent / CONFIG_FILE).read_text(encoding="utf-8")
    key = engine_key(load_tensorrt(), manifest, profiles(manifest.fit, batch_size(config)))
    return check_engine(out / manifest.name / version.name, key)


def engine_key(trt: Any, manifest: Manifest, shapes: tuple[Profile, ...]) -> EngineKey:
    """Say what an engine of this version would be built with here."""
    import torch

    if not torch.cuda.is_available():
        raise DependencyMissing("no NVIDIA GPU is to be seen here", hint="build on the machine that serves")
    major, minor = torch.cuda.get_device_capability()
    return EngineKey(
        gpu=torch.cuda.get_device_name(),
        compute_capability=f"{major}.{minor}",
        tensorrt=trt.__version__,
        model=manifest.files[MODEL_FILE],
        shapes="; ".join(f"{each.least} {each.best} {each.most}" for each in shapes),
    )


def load_tensorrt() -> Any:
    """
    Give the package `tensorrt`, 10 or 11.

    Raises:
        DependencyMissing: If it or its libraries are not here.
    """
    try:
        import tensorrt
    except (ImportError, OSError, RuntimeError) as error:  # the bindings without their libraries
        raise DependencyMissing(f"TensorRT is not installed here ({error})", hint=WHERE) from error
    return tensorrt


def _buildable(version: Path) -> Manifest:
    manifest = read_manifest(version)
    verify_files(manifest, version)
    if manifest.precision == "int8":
        raise ExportError(
            f"{version}: its int8 has zero points, which TensorRT does not take",
            hint="int8 is for CPUs; for a GPU export with --precision fp16",
        )
    return manifest


def _built(trt: Any, model: Path, shapes: tuple[Profile, ...], timing: Path, workspace_bytes: int) -> bytes:
    """Build a strongly typed network: what is computed in which type is what the ONNX file says."""
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    # TensorRT 11 knows no other networks, and no such flag.
    typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model.read_bytes()):
        reasons = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise ExportError(f"{model}: TensorRT cannot read it: {reasons}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_bytes)
    config.clear_flag(trt.BuilderFlag.TF32)  # fp32 is fp32, as the parity report has it
    for each in shapes:
        profile = builder.create_optimization_profile()
        profile.set_shape(IMAGE, each.least, each.best, each.most)
        config.add_optimization_profile(profile)
    config.set_timing_cache(_timing_cache(config, timing), False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ExportError(f"{model}: TensorRT built no engine; its own words are above")
    with written_whole(timing) as stream:
        stream.write(bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def _timing_cache(config: Any, path: Path) -> Any:
    """Read the cache; one of another GPU or TensorRT is passed over, as TensorRT would refuse it."""
    content = path.read_bytes() if path.is_file() else b""
    return config.create_timing_cache(content) or config.create_timing_cache(b"")
