"""What the recorded JavaScript packages sent, folded and compared with what their provider billed, kind of call by kind of call.

A test is of one record and one fact; `tests/frameworks/test_records.py` has the fields that all frameworks are compared by. What the sender
leaves out stands under `absent` in the record's expected.json.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, cast

import pytest

from tests.frameworks.js.catalogue import FRAMEWORKS
from tests.frameworks.js.run import RECORDS
from tests.frameworks.js.stable import MAX_RECORD_BYTES, Kept, leftovers
from tests.frameworks.replay import Replay, replay_of

EMBEDDINGS = "openai.embeddings"
TOOL = "look_up_weather"
WHO = {"user": ("user_id", "user-lovelace"), "session": ("session_id", "session-difference-engine")}
TAGS = ["tag-amber", "tag-cobalt"]

PARTS = {
    "input": "input",
    "input_cached_tokens": "input_cached",
    "input_cache_read": "input_cached",
    "input_cache_creation": "input_cache_creation",
    "input_cache_creation_5m": "input_cache_creation",
    "input_cache_creation_1h": "input_cache_creation",
    "output": "output",
    "output_reasoning_tokens": "output_reasoning",
    "output_reasoning": "output_reasoning",
}
"""Our usage keys, and the category of the bill that each is."""


class Record(NamedTuple):
    """A record as it is stored. `absent`: fields and steps of the story that the sender does not tell."""

    calls: list[dict[str, Any]]
    absent: set[str]
    requests: list[Kept]
    replay: Replay

    @property
    def observations(self) -> list[Mapping[str, Any]]:
        return [each.values for each in self.replay.observations]

    def answered(self) -> list[dict[str, Any]]:
        return self.replay.answered

    def model_calls(self) -> list[Mapping[str, Any]]:
        return [each.values for each in self.replay.models if each.values["counted"]]

    def says(self, text: str) -> bool:
        return any(text.encode() in request.body for request in self.requests)


@cache
def record_of(name: str) -> Record:
    folder = RECORDS / name
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    requests = [
        Kept(each["path"], each["content_type"], (folder / each["file"]).read_bytes()) for each in expected["requests"]
    ]
    absent = {each["field"] for each in [*expected["absent"], *expected["untold"]]}
    return Record(expected["calls"], absent, requests, replay_of(name))


def maps_without_a_reject(record: Record) -> None:
    assert [reject.detail for each in record.replay.mapped for reject in each.rejects] == []
    assert record.observations


def tells_every_billed_call_and_its_model(record: Record) -> None:
    told = Counter(_plain_model(each) for each in record.model_calls() if each["type"] == "GENERATION")
    billed = Counter(_model_told(call) for call in record.answered() if call["api"] != EMBEDDINGS)
    embedded = Counter(_model_told(call) for call in record.answered() if call["api"] == EMBEDDINGS)

    assert not billed - told
    assert not embedded - Counter(_plain_model(each) for each in record.model_calls())


def counts_each_token_once(record: Record) -> None:
    told: Counter[str] = Counter()
    for observation in record.model_calls():
        for key, tokens in cast("dict[str, int]", observation.get("usage_details") or {}).items():
            if key != "total":
                told[PARTS.get(key, key)] += tokens
    billed: Counter[str] = Counter()
    for call in record.answered():
        billed.update(_usage_told(call))

    assert +told == +billed


def _plain_model(observation: Mapping[str, Any]) -> str:
    """Without the vendor that Genkit writes before it."""
    return str(observation.get("model")).rpartition("/")[2]


def _model_told(call: dict[str, Any]) -> str:
    return call["model" if "answered_model" in call.get("absent", {}) else "answered_model"]


def _usage_told(call: dict[str, Any]) -> Counter[str]:
    """The tokens of a call by the categories that its sender tells: what OpenAI bills is a part of all input, or of all output."""
    absent = call.get("absent", {})
    if "usage" in absent or call["said"] is None:
        return Counter(cast("dict[str, int]", call.get("told_instead", {})))
    told = Counter(cast("dict[str, int]", call["usage"]))
    for hidden in absent:
        if hidden in told:
            told[hidden.partition("_")[0]] += told.pop(hidden)
    return told


def knows_who_asked(record: Record) -> None:
    for fact, (field, value) in WHO.items():
        if fact in record.absent:
            assert not record.says(value)
        else:
            assert {getattr(each, field) for each in record.replay.traces.values()} == {value}
    if "tags" in record.absent:
        assert not any(record.says(tag) for tag in TAGS)
    else:
        assert all(sorted(each.tags) == TAGS for each in record.replay.traces.values())


def shows_questions_and_answers(record: Record) -> None:
    inputs = [str(each.get("input")) for each in record.model_calls()]
    outputs = [str(each.get("output")) for each in record.model_calls()]
    for call in record.answered():
        absent = call.get("absent", {})
        assert "question" in absent or any(call["question"] in each for each in inputs), call
        assert "answer" in absent or any(call["answer"] in each for each in outputs), call


def shows_the_tool(record: Record) -> None:
    tools = [each for each in record.observations if each["type"] == "TOOL"]
    if "tool" in record.absent:
        assert not tools
        return

    assert {each.get("name") for each in tools} == {TOOL}
    assert all("Lisbon" in str(each.get("input")) and "sunny" in str(each.get("output")) for each in tools)


def shows_the_refusal(record: Record) -> None:
    refused = sum(call["status"] != 200 for call in record.calls)
    failed = [each for each in record.observations if each.get("level") == "ERROR"]
    if "errors" in record.absent:
        assert not failed
        return

    generations = [each for each in failed if each["type"] == "GENERATION"]
    assert len(failed if "refused_generation" in record.absent else generations) >= refused
    assert all("refused" in str(each.get("status_message")) for each in failed)


CELLS: tuple[Callable[[Record], None], ...] = (
    maps_without_a_reject,
    tells_every_billed_call_and_its_model,
    counts_each_token_once,
    knows_who_asked,
    shows_questions_and_answers,
    shows_the_tool,
    shows_the_refusal,
)

NAMES = sorted(folder.name for folder in RECORDS.glob("js-*"))


@pytest.mark.parametrize(
    ("name", "cell"), [pytest.param(name, cell, id=f"{name}-{cell.__name__}") for name in NAMES for cell in CELLS]
)
def test_a_record_means_what_its_provider_billed(name: str, cell: Callable[[Record], None]) -> None:
    cell(record_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_record_is_small_and_holds_nothing_of_the_machine_that_made_it(name: str) -> None:
    record = record_of(name)

    assert sum(len(request.body) for request in record.requests) <= MAX_RECORD_BYTES
    assert [sign for request in record.requests for sign in leftovers(request.body)] == []


def test_every_record_is_in_the_catalogue() -> None:
    assert set(NAMES) <= {f"js-{name}" for name in FRAMEWORKS}
