"""What the state says that it weighs is what Python allocates for it, within a factor of 2, for usual and for extreme entities."""

import gc
import tracemalloc
from typing import Any

import orjson
import pytest

from tailrace.assembler.fold import Fold
from tailrace.assembler.mapping import map_record
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.state import PartitionState
from tailrace.core.pricing import load_price_table
from tailrace.runtime.resources import schemas
from tailrace.wire.topics import RawHeaders

PRICES = load_price_table((schemas() / "prices.json").read_bytes())
AT = "2026-03-01T10:00:30Z"
Events = list[dict[str, Any]]


def event(kind: str, number: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"event-{number:030}", "type": kind, "timestamp": AT, "body": body}


def generation(number: int, **body: Any) -> dict[str, Any]:
    whole = {"id": f"span-{number:032}", "traceId": f"trace-{number % 20:032}", "startTime": AT, "name": "chat"}
    return event("generation-create", number, {**whole, "model": "gpt-4o-mini", "usage": {"input": 1000}, **body})


def trace(number: int, **body: Any) -> dict[str, Any]:
    return event("trace-create", number, {"id": f"trace-{number:032}", **body})


SHAPES: dict[str, list[Events]] = {
    "usual generations": [
        [generation(number, input=[{"role": "user", "content": "x" * 800}], output="y" * 400, metadata={"a": number})]
        for number in range(400)
    ],
    "bare spans": [
        [event("span-create", number, {"id": f"s{number}", "traceId": f"t{number % 20}", "startTime": AT})]
        for number in range(400)
    ],
    "metadata of one event": [
        [generation(number, metadata={f"key{key}": {"value": key, "text": "some text"} for key in range(500)})]
        for number in range(20)
    ],
    "metadata of many events": [
        [
            {
                **trace(number // 4, metadata={f"key{key}": {"v": number} for key in range(number % 4 * 100, 400)}),
                "id": f"e{number}",
            }
        ]
        for number in range(80)
    ],
    "texts that need 2 bytes a character": [[generation(number, input="ы" * 50_000)] for number in range(20)],
    "texts that need 1 byte a character": [[generation(number, input="x" * 100_000)] for number in range(20)],
    "many usage keys": [
        [
            generation(
                number,
                usageDetails={f"input_kind_{key}": key for key in range(200)},
                costDetails={f"input_kind_{key}": key * 0.1 for key in range(200)},
            )
        ]
        for number in range(50)
    ],
    "many tags": [[trace(number, tags=[f"tag {tag} of {number}" for tag in range(200)])] for number in range(50)],
    "a trace over many minutes": [
        [generation(20 * number, startTime=f"2026-03-{1 + number % 28:02}T{number % 24:02}:{number % 60:02}:30Z")]
        for number in range(400)
    ],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_weight_of_state_is_within_twice_of_what_it_takes(shape: str) -> None:
    records = [orjson.dumps({"batch": events}) for events in SHAPES[shape]]
    state = PartitionState(1 << 40)
    gc.collect()
    tracemalloc.start()
    for offset, record in enumerate(records):
        _fold(state, offset, record)
    gc.collect()
    true, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 0.5 < state.bytes / true < 2, (state.bytes, true)


def _fold(state: PartitionState, offset: int, record: bytes) -> None:
    headers = RawHeaders("ingestion", "p", 1_772_366_400_000_000 + offset, 1)  # pyright: ignore[reportArgumentType]
    fold = Fold(state, PriceList(PRICES), origin=offset, received_us=headers.received_at_us, max_spans=50_000)
    for change in map_record(headers, record).changes:
        fold.apply(change)
    fold.finish()
