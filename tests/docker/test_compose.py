"""Compose files: what they name is there, Triton is private, and nothing runs as root or writes its root."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from serving.settings import Settings
from tests.docker.files import (
    DOCKER,
    Part,
    is_pinned,
    our_variables,
    read_documents,
    read_services,
    read_stages,
    settings_of,
)

FILES = [DOCKER / "compose.yaml", DOCKER / "compose.cpu.yaml"]
SERVICES = [
    pytest.param(file, name, service, id=f"{file.stem}-{name}")
    for file in FILES
    for name, service in read_services(file).items()
]

WRITTEN = {
    "gateway": {"/tmp", "/keys", "/models"},
    "triton": {"/tmp"},
    "prometheus": {"/prometheus"},
    "grafana": {"/var/lib/grafana", "/tmp"},
}
"""Where each service writes; all else is its image, which is read-only."""

files = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
services = pytest.mark.parametrize(("file", "name", "service"), SERVICES)


def mounts(service: Part) -> dict[str, tuple[str, bool]]:
    """Give what is mounted where, and whether it may be written to."""
    words = [each.split(":") for each in service.get("volumes", [])]
    found = {target: (source, "ro" not in options) for source, target, *options in words}
    return found | {each.partition(":")[0]: ("", True) for each in service.get("tmpfs", [])}


@pytest.mark.parametrize("file", [*FILES, DOCKER / "watching.yaml"], ids=lambda file: file.stem)
def test_the_schema_holds(file: Path) -> None:
    """Each file is as the Compose Specification's schema says."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@services
def test_images_are_pinned_or_built(file: Path, name: str, service: Part) -> None:
    """Each image has a version, and what is built is one of our Dockerfiles."""
    assert is_pinned(service["image"])
    if "build" in service:
        assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        assert service["image"].startswith("box2seg/")


@services
def test_nobody_is_root(file: Path, name: str, service: Part) -> None:
    """Users are named by number where no Dockerfile of ours does, without a way to more rights."""
    if "build" not in service:
        assert service["user"].partition(":")[0] not in ("0", "root")
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@services
def test_the_root_is_read_only_and_the_rest_is_mounted(file: Path, name: str, service: Part) -> None:
    """What a service writes is mounted for it, writable, and nothing else is."""
    assert service["read_only"] is True
    assert {target for target, (_, written) in mounts(service).items() if written} == WRITTEN[name]


@services
def test_what_is_mounted_is_there(file: Path, name: str, service: Part) -> None:
    """Files and folders are in the checkout; volumes and secrets are named below."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    for source, _ in mounts(service).values():
        if source.startswith("."):
            assert (DOCKER / source).exists(), source
        elif source:
            assert source in content["volumes"]
    assert set(service.get("secrets", [])) <= set(content.get("secrets", {}))
    assert set(service.get("networks", [])) <= set(content.get("networks", {}))


@files
def test_every_volume_is_used(file: Path) -> None:
    """No volume, network or secret is left over."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    services = read_services(file).values()
    assert set(content["volumes"]) == {
        source for each in services for source, _ in mounts(each).values() if source and source[0] != "."
    }
    assert set(content.get("networks", {})) == {
        name for each in services for name in each.get("networks", [])
    }
    assert set(content["secrets"]) == {name for each in services for name in each.get("secrets", [])}


@files
def test_ports_are_for_this_machine(file: Path) -> None:
    """Ports are published on the loopback address, at the numbers that the programs listen on."""
    ports = [each for service in read_services(file).values() for each in service.get("ports", [])]
    assert ports == [f"127.0.0.1:{port}:{port}" for port in (Settings().port, 9090, 3000)]


@files
def test_the_gateways_settings_hold(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its variables are settings that there are and go together, and keys lie where it may write."""
    service = read_services(file)["gateway"]
    assert our_variables(service["environment"]) <= set(Settings.model_fields)
    (last,) = read_stages(DOCKER / service["build"]["dockerfile"].partition("/")[2])[-1:]
    settings = settings_of({**last.variables(), **service["environment"]}, monkeypatch)
    assert settings.keys_file is not None
    assert mounts(service)[str(settings.keys_file.parent)][1]
    assert mounts(service)[str(settings.repository)] == ("../model_repository", True)
    grace_s = int(service["stop_grace_period"].removesuffix("s"))
    assert grace_s > settings.drain_s + settings.grace_s


def test_triton_is_private(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton is in a network without a way out, has no port, and loads what the gateway tells it to."""
    file = DOCKER / "compose.yaml"
    services, networks = read_services(file), yaml.safe_load(file.read_text(encoding="utf-8"))["networks"]
    triton, gateway = services["triton"], services["gateway"]
    assert "ports" not in triton
    assert [networks[name]["internal"] for name in triton["networks"]] == [True]
    assert set(triton["networks"]) < set(gateway["networks"])
    words = triton["command"].split()
    assert {"--model-control-mode=explicit", "--load-model=box2seg", "--model-repository=/models"} <= {*words}
    assert f"--grpc-port={gateway['environment']['BOX2SEG_TRITON_URL'].removeprefix('triton:')}" in words
    assert mounts(triton)["/models"] == ("../model_repository", False)
    config = (DOCKER.parent / "model_repository" / "box2seg" / "config.pbtxt").read_text(encoding="utf-8")
    assert 'value: "/tmp/tensorrt"' in config  # within the volume that is kept


@files
def test_prometheus_asks_who_is_there(file: Path) -> None:
    """Each target is a service with such a port, and the key is where the secret lies."""
    services = read_services(file)
    prometheus = services["prometheus"]
    scraped = [
        job
        for target, (source, _) in mounts(prometheus).items()
        if target.startswith("/etc/prometheus/scrape/")
        for document in read_documents(DOCKER / source)
        for job in document["scrape_configs"]
    ]
    targets = {each for job in scraped for part in job["static_configs"] for each in part["targets"]}
    expected = {f"gateway:{Settings().port}"}
    if "triton" in services:
        assert "--metrics-port=8003" in services["triton"]["command"]
        expected |= {"triton:8003"}
    assert targets == expected
    files = {job.get("authorization", {}).get("credentials_file") for job in scraped} - {None}
    assert files == {f"/run/secrets/{name}" for name in prometheus["secrets"]}
    (main,) = read_documents(DOCKER / "prometheus" / "prometheus.yml")
    assert main["scrape_config_files"] == ["/etc/prometheus/scrape/*.yml"]


@files
def test_grafana_finds_its_dashboard(file: Path) -> None:
    """The provider's folder is where the dashboard is mounted, and the source asks Prometheus' service."""
    grafana = read_services(file)["grafana"]
    (provider,) = read_documents(DOCKER / "grafana/provisioning/dashboards/box2seg.yml")
    (sources,) = read_documents(DOCKER / "grafana/provisioning/datasources/prometheus.yml")
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    source, _ = mounts(grafana)[str(home)]
    assert str(home.parent) == provider["providers"][0]["options"]["path"]
    dashboard = json.loads((DOCKER / source).read_text(encoding="utf-8"))
    (wanted,) = dashboard["templating"]["list"]
    assert (wanted["type"], wanted["query"]) == ("datasource", sources["datasources"][0]["type"])
    assert sources["datasources"][0]["url"] == "http://prometheus:9090"
    assert mounts(grafana)["/etc/grafana/provisioning"] == ("./grafana/provisioning", False)
