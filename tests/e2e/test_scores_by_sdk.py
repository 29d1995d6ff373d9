"""Scores, their configs, annotation queues and comments by the SDKs' own API: their parsers accept the answers, and all rules hold end to end."""

from typing import Any

import httpx
import pytest

from tests.e2e.environments import CLIENTS, build_environment
from tests.e2e.read import Reader, load
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

NEW = ("python-5", "python-4", "python-3", "js-5", "js-4")
Found = dict[str, Any]


def run(client: str, stack: Stack) -> tuple[str, Found]:
    """What the client's script found, under a name of its own."""
    name = f"scores-{client}"
    environment = build_environment(CLIENTS[client], lambda _: None)
    return name, load(environment.read([name, stack.credentials.project], *stack.credentials.sender, script="scores"))


def values(found: Found) -> dict[str, Any]:
    """The values of the scores as v3 has them, by what they were called."""
    return {
        name: one["value"] if isinstance(one["value"], bool | str) else _typed(one)
        for name, one in found["scores"].items()
    }


def _typed(one: Found) -> Any:
    if one.get("dataType") in (None, "NUMERIC"):
        return float(one["value"])
    return one["value"] == 1 if one["dataType"] == "BOOLEAN" else one.get("stringValue")


def subjects(found: Found) -> dict[str, list[str]]:
    """What each score is about."""
    names = ("traceId", "observationId", "sessionId", "datasetRunId")
    told: dict[str, list[str]] = {}
    for name, one in found["scores"].items():
        subject = one.get("subject")
        flat = [one[key] for key in names if one.get(key)]
        told[name] = flat if subject is None else [*filter(None, [subject.get("traceId")]), subject["id"]]
    return told


def check_deleted_for_good(name: str, stack: Stack, reader: Reader) -> None:
    """The script sent the deleted score again after its deletion."""
    stack.wait_applied()
    assert reader.status(f"/api/public/v2/scores/{name}-deleted") == 404
    assert reader.status(f"/api/public/v2/scores/{name}-numeric") == 200


def check_refused(stack: Stack, config_id: str, why: str) -> None:
    """What a config refused is kept, with the reason."""
    (letter,) = (one for one in stack.dead_letters(stack.credentials.project) if config_id in one["detail"])
    assert (letter["reason"], letter["detail"]) == ("refused_by_config", f"the score config {config_id} {why}")


@pytest.mark.parametrize("client", NEW)
def test_an_sdk_writes_and_reads_scores_of_every_type_and_subject(client: str, stack: Stack, reader: Reader) -> None:
    name, found = run(client, stack)

    assert values(found) == {
        "current-trace": 0.25,
        "current-span": "fine",
        "numeric": 0.5,
        "boolean": True,
        "categorical": "good",
        "text": "some words",
        "correction": "the better answer",
        "session": 3,
        "run": 4,
        "graded": 0.75,
    }
    trace, span = found["traceId"], found["spanId"]
    told = subjects(found)
    assert [told[one] for one in ("numeric", "boolean", "current-span")] == [[trace], [trace, span], [trace, span]]
    assert (told["session"], told["run"]) == ([f"{name}-session"], [f"{name}-run"])
    numeric = found["scores"]["numeric"]
    assert (numeric["comment"], numeric["metadata"], numeric["source"]) == ("so so", {"by": "hand"}, "API")
    check_configs(name, found, reader)
    check_queue(found, stack)
    check_comments(found, stack)
    assert found["missing"] == [[404, "LangfuseNotFoundError"]] * 4
    assert [status for status, _ in found["invalid"]] == [400, 400]
    check_deleted_for_good(name, stack, reader)
    check_refused(stack, found["configs"]["grade"]["id"], "asks for a value of at most 1.0, got 7.0")
    check_refused(stack, found["configs"]["gone"]["id"], "is archived")


def check_configs(name: str, found: Found, reader: Reader) -> None:
    """Configs are as they were made, and their scores take the name and the number of the category."""
    configs = found["configs"]
    assert (configs["tone"]["name"], configs["tone"]["dataType"]) == (f"tone {name}", "CATEGORICAL")
    assert configs["tone"]["categories"] == [{"label": "good", "value": 2}, {"label": "bad", "value": -1}]
    assert (configs["grade"]["minValue"], configs["grade"]["maxValue"]) == (0, 1)
    assert (configs["grade"]["description"], configs["gone"]["isArchived"]) == ("from 0 to 1", True)
    assert [one["label"] for one in configs["gone"]["categories"]] == ["True", "False"]
    assert found["sameConfig"]
    assert {one["id"] for one in configs.values()} <= set(found["listedConfigs"])
    judged = reader.json(f"/api/public/v2/scores/{name}-categorical")
    assert (judged["name"], judged["value"], judged["configId"]) == (f"tone {name}", 2, configs["tone"]["id"])


def check_queue(found: Found, stack: Stack) -> None:
    """A queue and its items are as they were made."""
    queue, completed = found["queue"], found["completed"]
    assert (queue["description"], queue["scoreConfigIds"]) == ("look", [found["configs"]["tone"]["id"]])
    assert queue["id"] in found["queues"]
    assert (completed["objectId"], completed["status"]) == (found["traceId"], "COMPLETED")
    assert completed["completedAt"]
    assert found["pending"]
    assert (found["removed"]["success"], found["unassigned"]["success"]) == (True, True)
    assert found["assigned"] == {"userId": "ada", "queueId": queue["id"], "projectId": stack.credentials.project}


def check_comments(found: Found, stack: Stack) -> None:
    """A comment is as it was made."""
    comment = found["comment"]
    assert (comment["projectId"], comment["objectId"]) == (stack.credentials.project, found["traceId"])
    assert (comment["objectType"], comment["content"], found["comments"]) == ("TRACE", "well said", ["well said"])


def test_python_2_writes_and_reads_what_it_knows_of_scores(stack: Stack, reader: Reader) -> None:
    name, found = run("python-2", stack)

    assert values(found) == {
        "current-trace": 0.25,
        "current-span": "fine",
        "numeric": 0.5,
        "boolean": True,
        "categorical": "good",
    }
    assert subjects(found)["boolean"] == [found["traceId"], found["spanId"]]
    assert found["single"] == 0.5
    assert found["configs"]["tone"]["id"] in found["listedConfigs"]
    assert found["sameConfig"]
    assert reader.json(f"/api/public/scores/{name}-categorical")["value"] == 2
    check_comments(found, stack)
    check_deleted_for_good(name, stack, reader)
    check_refused(stack, found["configs"]["tone"]["id"], "has no category 'awful'")


def test_javascript_3_writes_scores_from_a_server_and_with_the_public_key_alone_from_a_browser(stack: Stack) -> None:
    _, found = run("js-3", stack)

    assert values(found) == {
        "current-trace": 0.25,
        "current-span": "fine",
        "numeric": 0.5,
        "boolean": True,
        "web": "up",
    }
    assert subjects(found)["boolean"] == [found["traceId"], found["spanId"]]


def test_a_public_key_alone_writes_scores_and_nothing_else(stack: Stack) -> None:
    """As a page in a browser does: it asks first, then sends, and every answer may be read by any page."""
    url, public_key, _ = stack.credentials.sender
    page = {"Authorization": f"Bearer {public_key}", "Origin": "https://shop.example"}
    score = {"id": "from-a-page", "traceId": "shown", "name": "thumbs", "value": 1}
    with httpx.Client(base_url=url, headers=page, trust_env=False, timeout=30) as browser:
        asked = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        preflight = browser.options("/api/public/scores", headers=asked)
        sent = browser.post("/api/public/scores", json=score)
        refused = [
            browser.get("/api/public/scores"),
            browser.delete("/api/public/scores/from-a-page"),
            browser.post("/api/public/score-configs", json={"name": "n", "dataType": "TEXT"}),
            browser.post("/api/public/comments", json={"objectType": "TRACE", "objectId": "t", "content": "x"}),
        ]

    assert (preflight.status_code, preflight.headers["access-control-allow-headers"]) == (
        204,
        "authorization,content-type",
    )
    assert (sent.status_code, sent.json()) == (200, {"id": "from-a-page"})
    assert [one.status_code for one in refused] == [403] * 4
    assert {one.headers["access-control-allow-origin"] for one in (preflight, sent, *refused)} == {"*"}
