"""Prompts by the SDKs' own methods: made, got from their caches and ours, labelled, compiled, listed, deleted, and linked to generations."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.environments import Environment
from tests.e2e.read import Reader, load, wait_until
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e

CLIENTS = ("python-5", "python-4", "python-3", "python-2", "js-5", "js-4", "js-3")
WITHOUT_PLACEHOLDERS = {"python-2"}
WITHOUT_LISTS = {"js-3"}
WITHOUT_DELETION = {"python-2", "js-3"}
CONFIG = {"model": "gpt-4o", "temperature": 0.5}


@pytest.mark.parametrize("client", CLIENTS)
def test_an_sdk_does_all_that_it_can_do_with_prompts(
    client: str, stack: Stack, reader: Reader, environments: dict[str, Environment]
) -> None:
    name = f"sub folder/{client}/greet"

    found = load(environments[client].read([name], *stack.credentials.sender, script="prompts"))

    trace_id = found.pop("traceId")
    assert found == _expected(client, name)
    wait_until(lambda: bool(_linked(reader, trace_id)), "the generation")
    prompt = reader.json(f"/api/public/v2/prompts/{quote(name, safe='')}?version=2")
    assert _linked(reader, trace_id) == [(prompt["id"], name, 2)]
    [figures] = reader.json(f"/api/tailrace/v1/prompts/{quote(name, safe='')}/metrics")["data"]
    assert (figures["version"], figures["n"], figures["promptId"]) == (2, 1, prompt["id"])


def _linked(reader: Reader, trace_id: str) -> list[tuple[str, str, int]]:
    """The prompts that v1 and v2 tell of the trace's generations, which must agree."""
    old = reader.json(f"/api/public/observations?traceId={trace_id}&type=GENERATION")["data"]
    new = reader.json(f"/api/public/v2/observations?traceId={trace_id}&type=GENERATION&fields=prompt")["data"]
    told = [[(one["promptId"], one["promptName"], one["promptVersion"]) for one in each] for each in (old, new)]
    return told[0] if told[0] == told[1] else []


def _expected(client: str, name: str) -> dict[str, Any]:
    history = [] if client in WITHOUT_PLACEHOLDERS else [{"role": "user", "content": "Earlier"}]
    expected: dict[str, Any] = {
        "made": [name, 1, "Hello {{who}}", ["production", "latest"], ["greeting"], CONFIG, "first"],
        "second": [2, ["staging", "latest"], ["greeting"]],
        "production": [1, "Hello you", ["production"], False],
        "cached": True,
        "staging": 2,
        "first": "Hello {{who}}",
        "updated": [2, ["production", "staging", "latest"]],
        "moved": 2,
        "messages": [
            {"role": "system", "content": "You are Ann"},
            *history,
            {"role": "user", "content": "Why?"},
        ],
        "whole": ["<Hello {{who}}>", f"{name}/whole", 1],
        "fallback": [0, "Oh dear", True],
        "missing": 404,
        "listed": [[name, [1, 2], ["production", "staging", "latest"], ["greeting"], {}]],
        "page": [1, 1, True, 1],
        "refused": 400,
        "latest": 1,
        "deleted": 404,
    }
    if client in WITHOUT_LISTS:
        expected |= {
            "whole": "<Hello {{who}}>",
            "missing": f"Prompt not found: '{name}/none' with label 'production'",
        }
        del expected["listed"], expected["page"]
    if client in WITHOUT_DELETION:
        del expected["refused"], expected["latest"], expected["deleted"]
    return expected
