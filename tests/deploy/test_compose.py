"""deploy/: the Compose file, the image and the origin fit each other and the code."""

import re
from typing import Any

import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import ValidationError, validate

from tailrace.runtime.durability import RISKS, parse_risks
from tailrace.runtime.settings import Process
from tests.deploy.manifests import (
    COMMAND_NAMES,
    DEPLOY,
    REPOSITORY,
    assert_usable_settings,
    images_of,
    read_yaml,
    with_defaults,
)

COMPOSE: dict[str, Any] = read_yaml(DEPLOY / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("tailrace")}
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def test_the_compose_file_is_what_the_compose_schema_says() -> None:
    schema = get_builtin_schema("vendor.compose-spec")
    validate(COMPOSE, schema)
    with pytest.raises(ValidationError):
        validate({"services": {"edge": {"imgae": "tailrace"}}}, schema)


def test_each_process_of_the_architecture_has_a_service_that_runs_its_command() -> None:
    assert OURS.keys() == {"migrate", "topics", "edge", "assembler", "meter", "sink", "query", "auditor"}
    for name, service in OURS.items():
        assert service["command"] == [name]
        assert name in COMMAND_NAMES


def test_every_variable_of_our_services_is_a_setting_with_a_usable_value() -> None:
    for service in OURS.values():
        assert_usable_settings({name: with_defaults(value) for name, value in service["environment"].items()})


def test_what_one_host_cannot_survive_is_accepted_in_words() -> None:
    for service in OURS.values():
        assert parse_risks(service["environment"]["TAILRACE_ACCEPTED_RISKS"]) == set(RISKS)


def test_every_substituted_variable_has_a_default_and_is_documented() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    documented = (DEPLOY / "README.md").read_text()
    names = re.findall(r"\$\{(\w+)", text)
    assert "$" not in with_defaults(text)
    assert all(f"| `{name}` |" in documented for name in names)


def test_services_wait_for_the_topics_and_the_topics_for_the_schema() -> None:
    completed = {"condition": "service_completed_successfully"}
    assert OURS["topics"]["depends_on"] == {"migrate": completed, "kafka": {"condition": "service_healthy"}}
    for name in OURS.keys() - {"migrate", "topics"}:
        assert OURS[name]["depends_on"] == {"topics": completed}


def test_a_container_gets_more_time_to_stop_than_its_process_takes_to_drain() -> None:
    for name in OURS.keys() - {"migrate", "topics"}:
        assert int(OURS[name]["stop_grace_period"].removesuffix("s")) > Process().drain_seconds


def test_our_containers_have_no_rights_that_they_do_not_need() -> None:
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_ports_are_bound_to_this_machine_unless_somebody_says_otherwise() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(with_defaults(port).startswith("127.0.0.1:") for port in ports)


def test_images_are_pinned_by_tag_and_name_no_host() -> None:
    base = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    for image in [*images_of(COMPOSE), *base]:
        name, _, tag = image.partition(":")
        assert tag
        assert tag != "latest"
        assert "." not in name.split("/")[0]


def test_the_origin_forwards_to_services_that_exist_on_the_port_that_they_listen_on() -> None:
    targets = re.findall(r"reverse_proxy (?:h2c://)?\{\$\w+:(\w+):(\d+)\}", (DEPLOY / "Caddyfile").read_text())
    grpc_port = OURS["edge"]["environment"]["TAILRACE_EDGE_GRPC_PORT"]
    assert set(targets) == {(name, str(Process().http_port)) for name in ("edge", "query")} | {("edge", str(grpc_port))}


def test_every_mounted_file_exists() -> None:
    mounts = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    own = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]
    named = {mount.split(":")[0] for mount in mounts if not mount.startswith(".")}
    assert all((DEPLOY / path).exists() for path in own)
    assert named == COMPOSE["volumes"].keys()


def test_the_image_is_made_of_files_that_exist_and_are_not_ignored() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    copies = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    sources = [source for copy in copies for source in copy.split()[:-1]]
    assert "pyproject.toml" in sources
    for source in sources:
        assert (REPOSITORY / source).exists()
        assert f"!{source}" in ignored


def test_the_image_runs_one_command_as_a_user_without_rights() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (\S+)$", last_stage, re.MULTILINE) == ["10001"]
    assert 'ENTRYPOINT ["tailrace"]' in last_stage
    assert "pip" not in last_stage


def test_the_image_asks_the_probe_port_for_its_health() -> None:
    health = re.search(r"HEALTHCHECK.*\n\s+CMD (.+)", DOCKERFILE)
    assert health is not None
    assert "/livez" in health[1]
    assert f"'TAILRACE_PROBE_PORT', '{Process().probe_port}'" in health[1]
