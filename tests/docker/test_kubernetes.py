"""Kubernetes manifests: as their schemas say, and as the server's settings, routes and metrics are."""

import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from fastapi.routing import iter_route_contexts

from serving.app import create_app
from serving.engines.local import LocalEngine
from serving.settings import Settings
from serving.telemetry import Telemetry
from tests.docker.files import DOCKER, ROOT, Part, is_pinned, our_variables, read_documents, settings_of

FOLDER = DOCKER / "kubernetes"
FOREIGN = {"kustomization", "adapter", "monitor", "kserve", "rayjob"}
"""Files whose schemas are not Kubernetes' own."""

OWN = sorted(file for file in FOLDER.glob("*.yaml") if file.stem not in FOREIGN)
VERSION = "1.37"

TRITON_PORTS = {8001, 8002}


def load(name: str) -> Part:
    """Read a file of one document."""
    (document,) = read_documents(FOLDER / f"{name}.yaml")
    return document


def pod() -> Part:
    """Give the pod of the Deployment."""
    spec: Part = load("gateway")["spec"]["template"]["spec"]
    return spec


def predictor() -> Part:
    """Give KServe's pod, without what is KServe's own."""
    spec = load("kserve")["spec"]["predictor"]
    theirs = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "timeout"}
    return {name: value for name, value in spec.items() if name not in theirs}


def containers() -> list[Any]:
    """List every container with the pod that it is in."""
    pods = {"gateway": pod(), "kserve": predictor(), "filling": load("filling")["spec"]}
    return [
        pytest.param(spec, container, id=f"{name}-{container['name']}")
        for name, spec in pods.items()
        for container in [*spec.get("initContainers", []), *spec["containers"]]
    ]


def variables(container: Part) -> dict[str, str]:
    """Give a container's variables."""
    return {each["name"]: each["value"] for each in container.get("env", [])}


def paths() -> set[str]:
    """List the paths that the gateway answers."""
    app = create_app(Settings(engine="local"), LocalEngine())
    return {str(route.path) for route in iter_route_contexts(app.routes)}


every_container = pytest.mark.parametrize(("spec", "container"), containers())
every_server = pytest.mark.parametrize(
    ("spec", "container"), [each for each in containers() if "ports" in each.values[1]]
)


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.stem)
def test_the_schema_holds(file: Path) -> None:
    """Each manifest is as the API's schema says, with no field that there is not."""
    for document in read_documents(file):
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_kserves_pod_is_one() -> None:
    """What an InferenceService takes over into its pod is as a pod's schema says."""
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kserve"}, "spec": predictor()}
    kubernetes_validate.validate(made, VERSION, strict=True)
    assert load("kserve")["apiVersion"] == "serving.kserve.io/v1beta1"
    assert predictor()["containers"][0]["name"] == "kserve-container"


def test_kustomize_takes_all_that_needs_no_operator() -> None:
    """The kustomization lists each manifest of Kubernetes' own kinds, but for the pod of an hour."""
    assert set(load("kustomization")["resources"]) == {file.name for file in OWN} - {"filling.yaml"}


@every_container
def test_images_are_pinned(spec: Part, container: Part) -> None:
    """Images have versions, ours the project's, and Triton's is that of the compose file."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    image = container["image"]
    assert is_pinned(image)
    if image.startswith("box2seg/"):
        assert image.endswith(f":{version}")
        file = image.removeprefix("box2seg/").partition(":")[0]
        assert (DOCKER / f"{file}.Dockerfile").is_file()
    else:
        assert image in (DOCKER / "compose.yaml").read_text(encoding="utf-8")


@every_container
def test_nobody_is_root(spec: Part, container: Part) -> None:
    """Pods pass the restricted Pod Security Standard: no root, no rights, the usual system calls."""
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    context = container["securityContext"]
    assert context["runAsUser"] > 0
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}


@every_container
def test_the_root_is_read_only_and_the_rest_is_mounted(spec: Part, container: Part) -> None:
    """/tmp can be written to, the root cannot, and each mount names a volume of the pod."""
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
    assert not mounts["/tmp"].get("readOnly", False)
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert {each["name"] for each in mounts.values()} <= set(volumes)
    assert "emptyDir" in volumes[mounts["/tmp"]["name"]]


@every_server
def test_probes_ask_what_is_there(spec: Part, container: Part) -> None:
    """Paths of probes are routes of the gateway, and their ports are the container's."""
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    probes = {name: probe for name, probe in container.items() if name.endswith("Probe")}
    assert {"livenessProbe"} < set(probes)
    for name, probe in probes.items():
        if container["name"] == "triton":
            assert probe["exec"]["command"][-1].startswith("http://127.0.0.1:8002/v2/health/")
            continue
        asked = probe["httpGet"]
        assert asked["path"] in paths()
        assert asked["path"] == ("/readyz" if name == "readinessProbe" else "/livez")
        assert asked["port"] in {*ports, *ports.values()}


@every_server
def test_variables_are_settings(spec: Part, container: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of ours are settings, go together, and lead to what is mounted and to the port named."""
    given = variables(container)
    assert our_variables(given) <= set(Settings.model_fields)
    if container["name"] == "triton":
        return
    settings = settings_of({"BOX2SEG_REPOSITORY": "/models", **given}, monkeypatch)
    assert settings.port in {port["containerPort"] for port in container["ports"]}
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert str(settings.keys_file.parent) in mounts
    grace_s = spec.get("terminationGracePeriodSeconds", 30)
    assert grace_s > settings.drain_s + settings.grace_s


def test_triton_listens_to_its_own_gateway_alone() -> None:
    """Triton is a sidecar on the loopback address, loads what it is told to, and only reads models."""
    (triton,), (gateway,) = pod()["initContainers"], pod()["containers"]
    assert triton["restartPolicy"] == "Always"
    assert {
        "--model-control-mode=explicit",
        "--load-model=box2seg",
        "--http-address=127.0.0.1",
        "--grpc-address=127.0.0.1",
    } <= set(triton["args"])
    url = variables(gateway)["BOX2SEG_TRITON_URL"]
    assert f"--grpc-port={url.removeprefix('127.0.0.1:')}" in triton["args"]
    read_only = {
        container["name"]: each.get("readOnly", False)
        for container in (triton, gateway)
        for each in container["volumeMounts"]
        if each["name"] == "models"
    }
    assert read_only == {"triton": True, "gateway": False}


def test_nobody_is_let_in_to_triton() -> None:
    """The policy is for our pods, opens the gateway's port and Triton's metrics, and no way out."""
    policy = load("network")["spec"]
    labels = load("gateway")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    opened = {port["port"]: rule.get("from") for rule in policy["ingress"] for port in rule["ports"]}
    assert set(opened) == {"http", "triton-metrics"}
    assert opened["triton-metrics"]
    assert policy["egress"] == []
    named = [port for each in [*pod()["initContainers"], *pod()["containers"]] for port in each["ports"]]
    assert set(opened) == {port["name"] for port in named}
    assert not TRITON_PORTS & {port["containerPort"] for port in named}


def test_selectors_find_the_pods() -> None:
    """Service, budget, scaler and monitor are about the Deployment's pods."""
    deployment = load("gateway")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert load("service")["spec"]["selector"] == labels
    assert load("disruption")["spec"]["selector"]["matchLabels"] == labels
    assert load("monitor")["spec"]["selector"]["matchLabels"] == labels
    target = load("scaling")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (deployment["kind"], deployment["metadata"]["name"])
    assert "replicas" not in deployment["spec"]  # which applying the manifest again would set back
    names = {port["name"] for port in pod()["containers"][0]["ports"]}
    assert {port["targetPort"] for port in load("service")["spec"]["ports"]} <= names


def test_the_scaler_counts_what_is_exposed() -> None:
    """Its metrics are gauges of the gateway's, the adapter passes them on, and the goal can be reached."""
    metrics = load("scaling")["spec"]["metrics"]
    goals = {each["pods"]["metric"]["name"]: int(each["pods"]["target"]["averageValue"]) for each in metrics}
    assert set(goals) == {"box2seg_in_flight", "box2seg_waiting"}
    assert set(goals) <= {metric.name for metric in Telemetry().registry.collect()}
    (rule,) = load("adapter")["rules"]["custom"]
    assert all(name.removeprefix("box2seg_") in rule["seriesQuery"] for name in goals)
    assert goals["box2seg_in_flight"] < int(variables(pod()["containers"][0])["BOX2SEG_CONCURRENCY"])


def test_prometheus_is_told_ports_that_there_are() -> None:
    """The monitor's ports are named in the pods, and the gateway's has a key."""
    ports = {
        port["name"] for each in [*pod()["initContainers"], *pod()["containers"]] for port in each["ports"]
    }
    asked = {each["port"]: each for each in load("monitor")["spec"]["podMetricsEndpoints"]}
    assert set(asked) == ports
    assert asked["http"]["path"] in paths()
    assert asked["http"]["authorization"]["credentials"]["name"]
