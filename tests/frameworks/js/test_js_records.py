"""What the recorded JavaScript packages sent, read by the mapping and compared with what their provider billed.

A cell is one record and one fact. What the sender itself leaves out stands under `absent` in the record's expected.json; what the mapping
does not read yet stands in `POOR`, and a cell that starts to work must be taken out of it.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple, cast

import pytest

from tailrace.assembler.mapping import Mapped, map_record
from tailrace.core.model import ProjectId
from tailrace.wire.topics import RawHeaders, RawKind
from tests.assembler.mapping.senders import fold_changes
from tests.frameworks.js.catalogue import FRAMEWORKS
from tests.frameworks.js.run import RECORDS
from tests.frameworks.js.stable import JSON, MAX_RECORD_BYTES, Kept, leftovers

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
    """`observations` and `traces` as they are after all requests. `absent`: fields and steps of the story that the sender does not tell."""

    calls: list[dict[str, Any]]
    absent: set[str]
    requests: list[Kept]
    mapped: list[Mapped]
    observations: list[Mapping[str, Any]]
    traces: list[Mapping[str, Any]]

    def answered(self) -> Iterator[dict[str, Any]]:
        """The calls that were answered and that the package tells of."""
        for call in self.calls:
            if call["status"] == 200 and not (call["api"] == EMBEDDINGS and "embeddings" in self.absent):
                yield call

    def model_calls(self) -> list[Mapping[str, Any]]:
        kinds = ("GENERATION", "EMBEDDING")
        return [each for each in self.observations if each["type"] in kinds and not each.get("uncounted")]

    def says(self, text: str) -> bool:
        return any(text.encode() in request.body for request in self.requests)


@cache
def record_of(name: str) -> Record:
    folder = RECORDS / name
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    requests = [
        Kept(each["path"], each["content_type"], (folder / each["file"]).read_bytes()) for each in expected["requests"]
    ]
    mapped = [
        map_record(RawHeaders(_kind(each), ProjectId("p"), 1_800_000_000_000_000, 1), each.body) for each in requests
    ]
    states = fold_changes(change for each in mapped for change in each.changes)
    of_kind: dict[str, list[Mapping[str, Any]]] = {"observation": [], "trace": [], "score": []}
    for (kind, _, _), state in states.items():
        of_kind[kind].append(state.values)
    absent = {each["field"] for each in [*expected["absent"], *expected["untold"]]}
    return Record(expected["calls"], absent, requests, mapped, of_kind["observation"], of_kind["trace"])


def _kind(request: Kept) -> RawKind:
    if request.path.endswith("/ingestion"):
        return "ingestion"
    return "otlp-json" if request.content_type == JSON else "otlp-protobuf"


def maps_without_a_reject(record: Record) -> None:
    assert [reject.detail for each in record.mapped for reject in each.rejects] == []
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
            assert {each.get(field) for each in record.traces} == {value}
    if "tags" in record.absent:
        assert not any(record.says(tag) for tag in TAGS)
    else:
        assert all(sorted(each.get("tags") or []) == TAGS for each in record.traces)


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

_CONTEXT = "ai.settings.context.* is not read"
_MASTRA = "mastra.metadata.userId, mastra.metadata.sessionId and mastra.tags are not read"

POOR: dict[tuple[str, str], str] = {
    ("js-vercel-7-legacy-otlp", "knows_who_asked"): _CONTEXT,
    ("js-vercel-7-everything-otlp", "knows_who_asked"): _CONTEXT,
    ("js-openai-langfuse-3", "counts_each_token_once"): (
        "it sends cached and reasoning tokens within input and output and beside them; only its total tells"
    ),
    ("js-openai-traceloop", "shows_the_tool"): "traceloop.entity.name is not read",
    ("js-genkit-langfuse", "tells_every_billed_call_and_its_model"): "the model of an embedder is not read",
    ("js-genkit-otlp", "tells_every_billed_call_and_its_model"): "the model of an embedder is not read",
    ("js-mastra-otlp", "knows_who_asked"): _MASTRA,
}
"""The cells that the mapping gets wrong, each with the reason."""

NAMES = sorted(folder.name for folder in RECORDS.glob("js-*"))


def _cell(name: str, cell: Callable[[Record], None]) -> Any:
    reason = POOR.get((name, cell.__name__))
    marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
    return pytest.param(name, cell, id=f"{name}-{cell.__name__}", marks=marks)


@pytest.mark.parametrize(("name", "cell"), [_cell(name, cell) for name in NAMES for cell in CELLS])
def test_a_record_means_what_its_provider_billed(name: str, cell: Callable[[Record], None]) -> None:
    cell(record_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_record_is_small_and_holds_nothing_of_the_machine_that_made_it(name: str) -> None:
    record = record_of(name)

    assert sum(len(request.body) for request in record.requests) <= MAX_RECORD_BYTES
    assert [sign for request in record.requests for sign in leftovers(request.body)] == []


def test_every_record_is_in_the_catalogue_and_every_poor_cell_has_a_record() -> None:
    assert set(NAMES) <= {f"js-{name}" for name in FRAMEWORKS}
    assert {name for name, _ in POOR} <= set(NAMES)
