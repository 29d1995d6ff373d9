"""Datasets and experiments by every SDK's own helpers: their parsers accept the answers, and what ran can be compared afterwards."""

from typing import Any
from urllib.parse import quote

import pytest

from tailrace.core.experiments import run_id
from tests.e2e.environments import CLIENTS, build_environment
from tests.e2e.read import Reader, load, wait_until
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

LINKING = ("python-2", "js-3")
RUNNING = ("python-3", "python-4", "js-4", "js-5")


def run_client(client: str, stack: Stack) -> tuple[str, dict[str, Any]]:
    """The name of the dataset, and what the client's script says."""
    name = f"evals/{client} set"
    environment = build_environment(CLIENTS[client], lambda _: None)
    return name, load(environment.read([name], *stack.credentials.sender, script="datasets"))


def project_of(reader: Reader) -> str:
    return reader.json("/api/public/projects")["data"][0]["id"]


def compared(reader: Reader, name: str) -> dict[str, Any]:
    return reader.json(f"/api/tailrace/v1/datasets/{quote(name, safe='')}/runs/compare?base=base/1&with=with/1")


def check_comparison(reader: Reader, name: str, items: list[str]) -> None:
    """Of the same items the first run scored 0 and the second 1, each by its own evaluator."""

    def whole() -> bool:
        found = compared(reader, name)
        return found["summary"]["scores"].get("exact", {}).get("compared") == 2 and all(
            one["with"]["output"] for one in found["data"]
        )

    wait_until(whole, "the comparison")
    found = compared(reader, name)
    assert [one["itemId"] for one in found["data"]] == items
    assert [(one["base"]["output"], one["with"]["output"]) for one in found["data"]] == [
        ("wrong", "answer 1"),
        ("wrong", "answer 2"),
    ]
    assert [one["differences"]["scores"]["exact"] for one in found["data"]] == [1, 1]
    assert (found["summary"]["scores"]["exact"]["difference"], found["summary"]["scores"]["exact"]["higher"]) == (1, 2)


@pytest.mark.parametrize("client", LINKING)
def test_an_sdk_links_items_to_traces(client: str, stack: Stack, reader: Reader) -> None:
    name, found = run_client(client, stack)

    items = [f"{name}-1", f"{name}-2"]
    expected = [run_id(project_of(reader), found["dataset"]["id"], run) for run in ("base/1", "with/1")]
    assert (found["dataset"]["description"], found["items"], found["one"]) == ("why", items, {"q": 1})
    assert (found["runs"], found["ids"]) == (["base/1", "with/1"], expected)
    assert found["run"] == ["d", {"m": "with/1"}]
    assert [each[:2] for each in found["runItems"]] == [[item, expected[1]] for item in items]
    check_comparison(reader, name, items)


@pytest.mark.parametrize("client", RUNNING)
def test_an_sdk_runs_experiments_with_run_items_and_attributes(client: str, stack: Stack, reader: Reader) -> None:
    name, found = run_client(client, stack)

    items = [f"{name}-1", f"{name}-2"]
    runs = ("base/1", "with/1", "gone/1")
    expected = [run_id(project_of(reader), found["dataset"]["id"], run) for run in runs]
    assert (found["dataset"]["description"], found["items"], found["ids"]) == ("why", items, expected)
    assert (found["runs"], found["left"]) == (sorted(runs), ["base/1", "with/1"])
    assert found["run"] == ["d", {"m": "with/1"}]
    assert [each[:2] for each in found["runItems"]] == [[item, expected[1]] for item in items]
    assert len({trace_id for *_, trace_id in found["runItems"]}) == 2
    check_comparison(reader, name, items)
    listed = reader.json(f"/api/public/experiments?datasetId={found['dataset']['id']}&fields=metadata")["data"]
    assert sorted((one["id"], one["name"], one["itemCount"], one["metadata"]["m"]) for one in listed) == sorted(
        (id_, run, 2, run) for id_, run in zip(expected[:2], runs[:2], strict=True)
    )


def test_python_5_tells_runs_by_attributes_alone(stack: Stack, reader: Reader) -> None:
    name, found = run_client("python-5", stack)

    items = [f"{name}-1", f"{name}-2"]
    dataset_id = found["dataset"]["id"]
    expected = [run_id(project_of(reader), dataset_id, run) for run in ("base/1", "with/1")]
    assert (found["items"], found["before"]) == (items, [*items, f"{name}-3"])
    assert (found["refused"], found["missing"], found["ids"]) == (400, 404, expected)
    assert [
        (one["name"], one["description"], one["itemCount"], one["datasetId"], one["metadata"])
        for one in found["experiments"]
    ] == [(run, "d", 2, dataset_id, {"m": run}) for run in ("base/1", "with/1")]
    assert [[score["name"], score["value"]] for score in found["experiments"][0]["scores"]] == [["mean", 0]]
    assert found["runScores"] == [["mean", 1]]
    executed = sorted(found["experimentItems"], key=lambda one: one["experimentItemId"])
    assert [
        (one["experimentItemId"], one["input"], one["output"], one["expectedOutput"], one["experimentItemMetadata"])
        for one in executed
    ] == [(f"{name}-{n}", {"q": n}, f"answer {n}", f"answer {n}", {"n": n}) for n in (1, 2)]
    assert all(one["environment"] == "sdk-experiment" for one in executed)
    assert [[(score["name"], score["value"]) for score in one["scores"]] for one in executed] == [[("exact", 1)]] * 2
    completed, processed, scored = found["evaluated"]
    assert (completed, processed == scored, processed > 1) == (True, True, True)
    check_comparison(reader, name, items)
    path = f"/api/public/datasets/{quote(name, safe='')}/runs"
    assert sorted((run["id"], run["name"]) for run in reader.json(path)["data"]) == sorted(
        zip(expected, ("base/1", "with/1"), strict=True)
    )
    run = reader.json(f"{path}/{quote('with/1', safe='')}")
    assert sorted(one["datasetItemId"] for one in run["datasetRunItems"]) == items
