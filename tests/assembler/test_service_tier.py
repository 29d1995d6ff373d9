"""An observation costs what its service tier does, whichever event tells that, and in whatever order they come."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import permutations

from tailrace.assembler.fold import Fold
from tailrace.assembler.mapping import map_record
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.state import PartitionState
from tailrace.core.model import ProjectId
from tailrace.core.pricing import load_price_table
from tailrace.runtime.resources import schemas
from tailrace.wire.records import ObservationRow
from tailrace.wire.topics import RawHeaders

PRICES = PriceList(load_price_table((schemas() / "prices.json").read_bytes()))
RECEIVED_US = 1_800_000_000_000_000
BODY: dict[str, object] = {"id": "o", "traceId": "t", "startTime": "2026-03-01T12:00:00Z"}
CREATED: dict[str, object] = {**BODY, "model": "gpt-4.1", "usageDetails": {"input": 1000, "output": 100}}
ASKED: dict[str, object] = {
    "id": "o",
    "traceId": "t",
    "modelParameters": {"temperature": 0.5, "service_tier": "priority"},
}
ENDED: dict[str, object] = {"id": "o", "traceId": "t", "endTime": "2026-03-01T12:00:09Z"}


def row_after(events: Sequence[tuple[str, Mapping[str, object]]]) -> ObservationRow:
    """Each event in a record of its own."""
    state = PartitionState(1 << 24)
    row: ObservationRow | None = None
    for origin, (kind, body) in enumerate(events):
        event = {"id": json.dumps(body), "type": kind, "timestamp": "2026-03-01T12:00:00Z", "body": body}
        payload = json.dumps({"batch": [event]}).encode()
        fold = Fold(state, PRICES, origin=origin, received_us=RECEIVED_US, max_spans=10)
        for change in map_record(RawHeaders("ingestion", ProjectId("p"), RECEIVED_US, 1), payload).changes:
            fold.apply(change)
        fold.find_turned()
        (row,) = fold.finish().observations
    assert row is not None
    return row


def test_a_tier_that_is_told_later_prices_anew_in_any_order() -> None:
    events: list[tuple[str, dict[str, object]]] = [
        ("generation-create", CREATED),
        ("generation-update", ASKED),
        ("generation-update", ENDED),
    ]
    for order in permutations(events):
        row = row_after(order)
        # 1000 x 3.50 + 100 x 14.00
        assert (row.total_cost, row.pricing_tier) == (Decimal("0.0049"), "Priority")


def test_a_tier_may_stand_in_the_metadata() -> None:
    row = row_after([("generation-create", {**CREATED, "metadata": {"service_tier": "batch"}})])
    assert (row.total_cost, row.pricing_tier) == (Decimal("0.0014"), "Batch")
