"""KubeRay's job: its pods as Kubernetes' schema says, its command one that there is, its fields KubeRay's."""

import shlex
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from typer.main import get_command

from cli.__main__ import app
from tests.docker.files import DOCKER, ROOT, Part, is_pinned, read_documents

VERSION = "1.37"

# The fields that are used here of KubeRay's types RayJobSpec, RayClusterSpec, HeadGroupSpec and
# WorkerGroupSpec; its schema is in no registry of packages.
JOB = {"entrypoint", "submissionMode", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished"}
CLUSTER = {"rayVersion", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs"}
HEAD = {"rayStartParams", "template"}
GROUP = HEAD | {"groupName", "replicas", "minReplicas", "maxReplicas"}


def job() -> Part:
    """Read the job."""
    (document,) = read_documents(DOCKER / "kubernetes" / "rayjob.yaml")
    assert (document["apiVersion"], document["kind"]) == ("ray.io/v1", "RayJob")
    return document


def groups() -> dict[str, Part]:
    """Give the head's and the workers' parts."""
    cluster = job()["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    return {"head": cluster["headGroupSpec"], "workers": workers}


every_group = pytest.mark.parametrize("name", ["head", "workers"])


def test_fields_are_kuberays() -> None:
    """No field has a name that KubeRay's types do not have."""
    spec = job()["spec"]
    assert set(spec) == JOB | {"rayClusterSpec"}
    assert set(spec["rayClusterSpec"]) == CLUSTER
    assert set(groups()["head"]) == HEAD
    assert set(groups()["workers"]) == GROUP


@every_group
def test_pods_are_pods(name: str) -> None:
    """The pods are as the API's schema says, run nobody as root, and can write where something is mounted."""
    spec: Any = groups()[name]["template"]["spec"]
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    kubernetes_validate.validate(made, VERSION, strict=True)
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    assert {"/tmp", "/dev/shm", "/shared"} <= set(mounts)
    assert set(mounts.values()) == {each["name"] for each in spec["volumes"]}


@every_group
def test_versions_are_those_locked(name: str) -> None:
    """The image is ours, and the Ray that KubeRay is told of is the one in it."""
    (container,) = groups()[name]["template"]["spec"]["containers"]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert is_pinned(container["image"])
    assert container["image"] == f"box2seg/cluster:{version}"
    ray = job()["spec"]["rayClusterSpec"]["rayVersion"]
    assert f"\nray=={ray} " in (ROOT / "requirements" / "cluster.txt").read_text(encoding="utf-8")


def test_the_command_is_ours() -> None:
    """Its words are options of `box2seg predict`, and it fails only where going on helps."""
    words, _, rest = job()["spec"]["entrypoint"].partition(" || ")
    program, verb, *arguments = shlex.split(words)
    assert (program, verb, rest) == ("box2seg", "predict", "test $? -eq 1")
    command = get_command(app).commands[verb]  # type: ignore[attr-defined]
    typed = command.make_context(verb, arguments).params
    mounted = {
        each["mountPath"] for each in groups()["head"]["template"]["spec"]["containers"][0]["volumeMounts"]
    }
    assert {str(typed["repository"]), f"/{Path(typed['out']).parts[1]}"} <= mounted
    least, most = map(int, typed["ray_workers"].split("-"))
    workers = groups()["workers"]
    cpus = int(workers["rayStartParams"]["num-cpus"])
    assert workers["minReplicas"] * cpus == least
    assert workers["maxReplicas"] * cpus == most
