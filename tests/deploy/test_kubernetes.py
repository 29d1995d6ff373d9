"""k8s/: every manifest is one that the API takes, and names only what exists."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tailrace.runtime.settings import Process
from tests.deploy.manifests import (
    COMMAND_NAMES,
    DEPLOY,
    K8S,
    REPOSITORY,
    assert_usable_settings,
    images_of,
    read_documents,
    read_env,
    read_yaml,
)

FOLDERS = sorted(path.parent for path in K8S.rglob("kustomization.yaml"))
MANIFESTS = sorted(path for path in K8S.rglob("*.yaml") if path.name != "kustomization.yaml")
RESOURCES: list[dict[str, Any]] = [document for path in MANIFESTS for document in read_documents(path)]
VERSIONS = ("1.30", "1.37")


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [resource for resource in RESOURCES if resource["kind"] == kind]


DEPLOYMENTS = {one["metadata"]["labels"]["app.kubernetes.io/component"]: one for one in of_kind("Deployment")}
PODS = [one["spec"]["template"]["spec"] for one in [*DEPLOYMENTS.values(), *of_kind("Job")]]
CONTAINERS = [one for pod in PODS for one in [*pod.get("initContainers", []), *pod["containers"]]]
OURS = [one for one in CONTAINERS if one["image"] == "tailrace"]
PROCESSES = {name: one for name, one in DEPLOYMENTS.items() if name != "origin"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(K8S)))
def test_every_manifest_is_valid_for_the_oldest_and_the_newest_api(path: Path, version: str) -> None:
    for document in read_documents(path):
        assert kubernetes_validate.validate(document, version, strict=True) == version


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(K8S)))
def test_a_kustomization_lists_every_file_beside_it_and_nothing_else(folder: Path) -> None:
    kustomization = read_yaml(folder / "kustomization.yaml")
    generators = kustomization["configMapGenerator"]
    inputs = [name for one in generators for name in [*one.get("envs", []), *one.get("files", [])]]
    listed = {*kustomization["resources"], *inputs}
    present = {path.name for path in folder.iterdir()} - {"kustomization.yaml"}
    elsewhere = {path for path in listed if "/" in path}
    assert listed - elsewhere == present
    assert all((folder / path / "kustomization.yaml").is_file() for path in elsewhere)


def test_a_kustomization_knows_only_keys_of_its_kind() -> None:
    known = {"apiVersion", "kind", "labels", "resources", "configMapGenerator", "namespace", "images", "replicas"}
    for folder in FOLDERS:
        kustomization = read_yaml(folder / "kustomization.yaml")
        assert kustomization["apiVersion"] == "kustomize.config.k8s.io/v1beta1"
        assert kustomization.keys() <= known


def test_what_an_overlay_changes_exists_in_the_base() -> None:
    overlay = read_yaml(K8S / "overlays/example/kustomization.yaml")
    names = {resource["metadata"]["name"] for resource in RESOURCES}
    images = {image.partition(":")[0] for one in OURS for image in images_of(one)}
    assert {one["name"] for one in overlay["replicas"]} <= names
    assert {one["name"] for one in overlay["images"]} == images == {"tailrace"}


def test_settings_of_base_and_overlay_together_can_be_used() -> None:
    settings: dict[str, str] = {}
    for folder in FOLDERS:
        settings |= read_env(folder / "settings.env")
        assert_usable_settings(settings)


def test_no_risk_is_accepted_unless_somebody_says_so() -> None:
    settings = read_env(K8S / "base/settings.env")
    assert int(settings["TAILRACE_REPLICATION_FACTOR"]) >= 3
    assert all("TAILRACE_ACCEPTED_RISKS" not in read_env(folder / "settings.env") for folder in FOLDERS)


def test_each_process_has_a_deployment_that_runs_its_command() -> None:
    assert PROCESSES.keys() == {"edge", "assembler", "meter", "sink", "query", "auditor"}
    for name, deployment in PROCESSES.items():
        assert deployment["metadata"]["name"] == f"tailrace-{name}"
        assert [one["args"] for one in deployment["spec"]["template"]["spec"]["containers"]] == [[name]]
    assert all(container["args"][0] in COMMAND_NAMES for container in OURS)


def test_the_job_migrates_before_it_makes_topics() -> None:
    job = of_kind("Job")[0]["spec"]["template"]["spec"]
    assert [one["args"] for one in job["initContainers"]] == [["migrate", "--phase", "pre"]]
    assert [one["args"] for one in job["containers"]] == [["topics"]]


def test_every_container_reads_the_settings_and_the_dsn_from_its_secret() -> None:
    for container in OURS:
        assert container["envFrom"] == [{"configMapRef": {"name": "tailrace"}}]
        secret = {"name": "tailrace-postgres", "key": "dsn"}
        assert container["env"] == [{"name": "TAILRACE_POSTGRES_DSN", "valueFrom": {"secretKeyRef": secret}}]
        assert_usable_settings({one["name"]: "value" for one in container["env"]})


def test_no_manifest_holds_a_secret() -> None:
    assert of_kind("Secret") == []


def test_no_pod_gets_variables_that_are_no_settings() -> None:
    # Of a Service tailrace-edge Kubernetes would make TAILRACE_EDGE_PORT, and an unknown setting stops the process.
    assert all(pod["enableServiceLinks"] is False for pod in PODS)


def test_no_pod_has_rights_that_it_does_not_need() -> None:
    for pod in PODS:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in CONTAINERS:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"]["drop"] == ["ALL"]
    assert all("add" not in container["securityContext"]["capabilities"] for container in OURS)


def test_every_container_says_what_it_needs_and_what_it_may_take() -> None:
    for container in CONTAINERS:
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_every_process_is_probed_where_it_answers() -> None:
    for deployment in PROCESSES.values():
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        assert ports["probes"] == Process().probe_port
        assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "probes"}
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "probes"}


def test_the_edge_takes_grpc_where_its_port_says() -> None:
    container = PROCESSES["edge"]["spec"]["template"]["spec"]["containers"][0]
    ports = {one["name"]: str(one["containerPort"]) for one in container["ports"]}
    assert read_env(K8S / "base/settings.env")["TAILRACE_EDGE_GRPC_PORT"] == ports["grpc"]


def test_a_pod_gets_more_time_to_stop_than_its_process_takes_to_drain() -> None:
    for deployment in DEPLOYMENTS.values():
        pod = deployment["spec"]["template"]["spec"]
        before = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod["terminationGracePeriodSeconds"] > Process().drain_seconds + before


def test_services_and_budgets_select_a_deployment_of_their_name() -> None:
    for resource in [*of_kind("Service"), *of_kind("PodDisruptionBudget")]:
        selector = resource["spec"]["selector"]
        labels = selector.get("matchLabels", selector)
        deployment = DEPLOYMENTS[labels["app.kubernetes.io/component"]]
        assert resource["metadata"]["name"] == deployment["metadata"]["name"]
        assert labels == deployment["spec"]["selector"]["matchLabels"]
        assert labels == deployment["spec"]["template"]["metadata"]["labels"]
    assert {one["metadata"]["name"] for one in of_kind("PodDisruptionBudget")} == {
        one["metadata"]["name"] for one in DEPLOYMENTS.values()
    }


def ports_of_services() -> dict[str, dict[str, int]]:
    return {
        one["metadata"]["name"]: {port["name"]: port["port"] for port in one["spec"]["ports"]}
        for one in of_kind("Service")
    }


def test_the_ingress_leads_to_a_service_that_exists() -> None:
    backends = [
        path["backend"]["service"]
        for ingress in of_kind("Ingress")
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]
    assert backends == [{"name": "tailrace-origin", "port": {"name": "http"}}]
    assert "http" in ports_of_services()["tailrace-origin"]


def test_the_origin_forwards_to_services_that_exist_by_the_rules_of_the_compose_file() -> None:
    container = DEPLOYMENTS["origin"]["spec"]["template"]["spec"]["containers"][0]
    addresses = {one["name"]: one["value"] for one in container["env"]}
    services = ports_of_services()
    assert addresses == {
        "EDGE_ADDRESS": f"tailrace-edge:{services['tailrace-edge']['http']}",
        "QUERY_ADDRESS": f"tailrace-query:{services['tailrace-query']['http']}",
        "EDGE_GRPC_ADDRESS": f"tailrace-edge:{services['tailrace-edge']['grpc']}",
    }
    caddyfile = (K8S / "base/Caddyfile").read_text()
    assert set(re.findall(r"\{\$(\w+):", caddyfile)) == addresses.keys()
    assert caddyfile == (DEPLOY / "Caddyfile").read_text()
    assert container["image"] == read_yaml(DEPLOY / "compose.yaml")["services"]["origin"]["image"]


def test_network_policies_open_only_ports_that_containers_have() -> None:
    names = {port["name"] for container in CONTAINERS for port in container.get("ports", [])}
    opened = {
        port["port"]
        for policy in of_kind("NetworkPolicy")
        for rule in policy["spec"]["ingress"]
        for port in rule["ports"]
    }
    assert opened == names == {"http", "grpc", "probes"}


def test_commands_of_the_readme_name_what_exists() -> None:
    readme = (K8S / "README.md").read_text()
    names = {resource["metadata"]["name"] for resource in RESOURCES}
    assert "job tailrace-prepare" in readme
    assert {"tailrace-prepare", "tailrace-edge"} <= names
    assert (REPOSITORY / "k8s/overlays/example").is_dir()
