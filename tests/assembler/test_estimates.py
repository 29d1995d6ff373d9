"""Usage that nobody told: when it is estimated, what that says of itself, and that order and what comes later leave no trace of it."""

import json
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.assembler.estimates import MOST_CHARACTERS, Outcome
from tailrace.assembler.fold import Fold
from tailrace.assembler.mapping import map_record
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.state import PartitionState
from tailrace.core.model import ProjectId
from tailrace.core.pricing import load_price_table
from tailrace.runtime.resources import schemas
from tailrace.runtime.tokens import TokenCounter
from tailrace.wire.records import ObservationRow, TraceRow
from tailrace.wire.topics import RawHeaders

PRICES = load_price_table((schemas() / "prices.json").read_bytes())
COUNTER = TokenCounter()
RECEIVED_US = 1_772_366_400_000_000
START, END = "2026-03-01T10:00:00Z", "2026-03-01T10:00:01Z"
CHAT = [{"role": "user", "content": "hello world"}]
GENERATION: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "startTime": START,
    "endTime": END,
    "input": CHAT,
    "output": "hello world",
}
# 3 for the message, 1 for its role, 2 for its content, 3 that begin the answer; 2 for the answer.
ESTIMATE = {"input": 9, "output": 2, "total": 11}
COST = 9 * Decimal("0.15") / 1_000_000 + 2 * Decimal("0.60") / 1_000_000
WARNING = "usage was not sent: it is estimated from the texts of input and output, counted with o200k_base"

Event = dict[str, Any]


class Folding:
    """A partition's state, and the rows as they are after each record."""

    def __init__(self, tokens: TokenCounter | None = COUNTER) -> None:
        self._prices = PriceList(PRICES, tokens=tokens)
        self._state = PartitionState(1 << 30)
        self._origin = 0
        self.observations: dict[str, ObservationRow] = {}
        self.traces: dict[str, TraceRow] = {}
        self.outcomes: list[Outcome] = []

    def fold(self, *events: Event) -> "Folding":
        payload = json.dumps({"batch": events}).encode()
        mapped = map_record(RawHeaders("ingestion", ProjectId("p"), RECEIVED_US, len(events)), payload)
        assert mapped.rejects == []
        fold = Fold(self._state, self._prices, origin=self._origin, received_us=RECEIVED_US, max_spans=100)
        self._origin += 1
        for change in mapped.changes:
            fold.apply(change)
        fold.estimate_usage()
        fold.find_turned()
        folded = fold.finish()
        self.observations |= {row.id: row for row in folded.observations}
        self.traces |= {row.id: row for row in folded.traces}
        self.outcomes += folded.estimates.elements()
        return self

    @property
    def row(self) -> ObservationRow:
        return self.observations["g"]


def event(kind: str = "generation-create", at: str = START, id_: str = "g", **body: Any) -> Event:
    return {"id": f"{kind}-{at}-{id_}", "type": kind, "timestamp": at, "body": {"id": id_, "traceId": "t", **body}}


def generation(**changed: Any) -> Event:
    return event(**{**GENERATION, **changed})


def shown(folding: Folding) -> tuple[Any, Decimal | None, list[str]]:
    row = folding.row
    return json.loads(row.usage_details), row.total_cost, row.warnings


def test_a_generation_without_usage_and_cost_gets_an_estimate_that_says_so() -> None:
    folding = Folding().fold(generation())

    assert shown(folding) == (ESTIMATE, COST, [WARNING])
    assert json.loads(folding.row.stamps)["e"] == "o200k_base"
    assert (folding.traces["t"].total_tokens, folding.traces["t"].total_cost) == (11, COST)
    assert folding.outcomes == ["estimated"]


def test_an_embedding_is_counted_by_its_input() -> None:
    body: dict[str, Any] = {
        "model": "text-embedding-3-small",
        "input": ["hello", "world"],
        "output": [0.5],
        "endTime": END,
    }
    folding = Folding().fold(event("embedding-create", **body))

    assert json.loads(folding.row.usage_details) == {"input": 2, "total": 2}


@pytest.mark.parametrize(
    "changed",
    [
        {"usage": {"input": 5}},
        {"usageDetails": {"input": 0}},
        {"costDetails": {"total": 0.5}},
        {"level": "ERROR"},
        {"model": "claude-sonnet-4-5"},
        {"model": None},
        {"endTime": None, "output": None},
        {"input": None, "output": None},
    ],
    ids=str,
)
def test_nothing_is_counted_for(changed: dict[str, Any]) -> None:
    folding = Folding().fold(generation(**changed))

    assert folding.outcomes == []
    assert WARNING not in folding.row.warnings
    assert "e" not in json.loads(folding.row.stamps)


def test_nothing_is_counted_for_other_types_of_observations() -> None:
    folding = Folding().fold(event("agent-create", **GENERATION), event("span-create", id_="s", input=CHAT))

    assert folding.outcomes == []


@pytest.mark.parametrize(
    ("tokens", "changed", "outcomes"),
    [
        (COUNTER, {"input": "a" * MOST_CHARACTERS}, ["too_large"]),
        (COUNTER, {"input": [{"role": "user", "content": [{"type": "image_url"}]}]}, ["not_text"]),
        (TokenCounter("a_library_that_is_not_there"), {}, ["unavailable"]),
        (None, {}, []),
    ],
    ids=["too large", "not text", "no library", "switched off"],
)
def test_what_cannot_be_counted_stays_unknown(
    tokens: TokenCounter | None, changed: dict[str, Any], outcomes: list[Outcome]
) -> None:
    folding = Folding(tokens).fold(generation(**changed))

    assert shown(folding) == ({}, None, [])
    assert folding.outcomes == outcomes


@pytest.mark.parametrize(
    "later", [{"usage": {"input": 5}}, {"costDetails": {"total": 0.5}}, {"level": "ERROR"}, {"model": "gemini-2.5-pro"}]
)
def test_the_estimate_goes_when_more_is_told(later: dict[str, Any]) -> None:
    folding = Folding().fold(generation()).fold(event("generation-update", END, **later))
    at_once = Folding().fold(generation(), event("generation-update", END, **later))

    assert WARNING not in folding.row.warnings
    assert shown(folding) == shown(at_once)
    assert folding.traces["t"].total_cost == at_once.traces["t"].total_cost == (folding.row.total_cost or 0)
    assert at_once.outcomes == []


def test_a_text_is_counted_once_and_not_again_for_what_says_nothing_of_it() -> None:
    folding = Folding().fold(generation())
    folding.fold(event("generation-update", END, name="other", metadata={"a": 1})).fold(generation())

    assert folding.outcomes == ["estimated"]
    assert folding.row.name == "other"
    assert shown(folding) == (ESTIMATE, COST, [WARNING])


def test_an_estimate_beside_told_figures_is_shown_and_does_not_count() -> None:
    inner = event(id_="inner", parentObservationId="g", model="gpt-4o", usage={"input": 1000}, startTime=START)
    folding = Folding().fold(generation()).fold(inner)

    assert (folding.row.counted, folding.row.total_cost) == (False, COST)
    assert folding.traces["t"].total_cost == folding.observations["inner"].total_cost


_UPDATES = [
    event("generation-create", START, model="gpt-4o-mini", input=CHAT, startTime=START),
    event("generation-update", "2026-03-01T10:00:02Z", output="an answer", endTime=END),
    event("generation-update", "2026-03-01T10:00:03Z", output={"role": "assistant", "content": "a longer answer"}),
    event("generation-update", "2026-03-01T10:00:04Z", model="gpt-4"),
    event("generation-update", "2026-03-01T10:00:05Z", level="ERROR"),
    event("generation-update", "2026-03-01T10:00:06Z", level="DEFAULT"),
    event("generation-update", "2026-03-01T10:00:07Z", usageDetails={"input": 7, "output": 1}),
    event("generation-update", "2026-03-01T10:00:08Z", costDetails={"total": 1}),
    event("generation-create", id_="child", parentObservationId="g", **GENERATION),
    event("span-create", id_="parent", parentObservationId="p"),
]


@settings(max_examples=150, deadline=None)
@given(st.sets(st.sampled_from(range(len(_UPDATES))), min_size=1), st.randoms(use_true_random=False))
def test_any_order_grouping_and_repetition_gives_one_result(chosen: set[int], rng: random.Random) -> None:
    events = [_UPDATES[number] for number in sorted(chosen)]
    straight = Folding().fold(*events)

    scattered = Folding()
    shuffled = events + rng.sample(events, len(events) // 2)
    rng.shuffle(shuffled)
    while shuffled:
        taken = rng.randint(1, len(shuffled))
        scattered.fold(*shuffled[:taken])
        shuffled = shuffled[taken:]

    assert _rows(scattered.observations.values()) == _rows(straight.observations.values())
    assert scattered.traces["t"].contributions == straight.traces["t"].contributions
    assert scattered.traces["t"].total_cost == sum(
        row.total_cost or 0 for row in scattered.observations.values() if row.counted
    )


def _rows(rows: Any) -> Sequence[Any]:
    return sorted((row.id, row.usage_details, row.total_cost, row.warnings, row.counted, row.stamps) for row in rows)
