"""The fold of repricings beside events: in any order and any number of times the same rows, and nothing that was not there before."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import orjson
from hypothesis import given
from hypothesis import strategies as st

from tailrace.assembler.entities import ObservationState, microseconds
from tailrace.assembler.fold import Fold
from tailrace.assembler.hydration import observation_from_row
from tailrace.assembler.mapping import map_record
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.rows import observation_row
from tailrace.assembler.state import PartitionState
from tailrace.core.model import ProjectId
from tailrace.core.price_terms import PriceTerms
from tailrace.core.pricing import load_price_table
from tailrace.runtime.resources import schemas
from tailrace.wire.records import encode_record
from tailrace.wire.topics import RawHeaders
from tests.repricing import COMMANDED_AT, RECEIVED_US, make_repricing, shipped_terms

PRICES = load_price_table((schemas() / "prices.json").read_bytes())
START = "2026-03-01T10:00:30Z"
ROW = ("t", "g")


class Folded:
    """One partition's state, fold by fold, and the windows that come of it."""

    def __init__(self) -> None:
        self.state = PartitionState(1 << 24)
        self.windows: defaultdict[Any, Decimal] = defaultdict(Decimal)
        self._prices = PriceList(PRICES)
        self._offset = 0

    def take(self, kind: Any, payload: bytes) -> int:
        """Fold one record; returns how many rows it made."""
        headers = RawHeaders(kind, ProjectId("p"), RECEIVED_US + self._offset * 1_000, 1)
        mapped = map_record(headers, payload)
        assert mapped.rejects == []
        fold = Fold(self.state, self._prices, origin=self._offset, received_us=headers.received_at_us, max_spans=1_000)
        for change in mapped.changes:
            fold.apply(change)
        assert not fold.find_turned()
        folded = fold.finish()
        for part, amounts in folded.deltas.items():
            self.windows[part] += amounts.cost
        self._offset += 1
        return len(folded.observations) + len(folded.traces)

    @property
    def observation(self) -> ObservationState:
        state = self.state.observations.get(("p", *ROW))
        assert state is not None
        return state

    def facts(self) -> tuple[Any, ...]:
        """All but the times of receipt."""
        row = msgspec.structs.replace(observation_row(self.observation), updated_at=COMMANDED_AT)
        trace = self.state.traces.get(("p", "t"))
        assert trace is not None
        windows = {part: cost for part, cost in self.windows.items() if cost}
        return row, dict(trace.contributions), windows


def event(number: int, at: str = START, **body: Any) -> tuple[str, bytes]:
    kind = "generation-create" if number == 0 else "generation-update"
    whole = {"id": "g", "traceId": "t"} | body
    return "ingestion", orjson.dumps({"batch": [{"id": f"e{number}", "type": kind, "timestamp": at, "body": whole}]})


def repricing(number: int, terms: PriceTerms, observation_id: str = "g") -> tuple[str, bytes]:
    return "repricing", encode_record(make_repricing({observation_id: terms}, command=number))


CREATE = event(0, startTime=START, model="gpt-4o-mini", usage={"input": 1_000})
RECORDS = [
    event(1, usage={"input": 500, "output": 10}),
    event(2, usage={"input": 700}),
    event(3, output="done", endTime=START),
    event(4, metadata={"k": 1}, level="ERROR"),
    repricing(1, shipped_terms(input="1")),
    repricing(2, shipped_terms(input="2", output="3")),
    repricing(3, shipped_terms(input="0.5", total="4")),
]


def run(records: Sequence[tuple[str, bytes]]) -> Folded:
    folded = Folded()
    for record in records:
        folded.take(*record)
    return folded


@given(records=st.lists(st.sampled_from(RECORDS), unique=True), data=st.data())
def test_every_order_and_repetition_of_events_and_repricings_folds_to_one_result(
    records: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(records), max_size=3)) if records else []
    again = data.draw(st.permutations([*records, *repeated]))

    assert run([CREATE, *again]).facts() == run([CREATE, *records]).facts()


def test_the_latest_command_counts_whatever_its_place_in_the_log() -> None:
    first, second = RECORDS[4:6]

    for order in ([first, second], [second, first], [second, first, second]):
        folded = run([CREATE, *order])
        assert folded.observation.priced.total_cost == 2_000
        assert folded.observation.priced.price_version == "test-1"
        assert folded.take(*second) == 0


def test_a_later_event_keeps_the_corrected_price() -> None:
    folded = run([CREATE, RECORDS[5], event(1, usage={"input": 10, "output": 5})])

    assert folded.observation.priced.cost_details == {"input": 20, "output": 15, "total": 35}


def test_terms_hold_for_the_model_that_they_name_and_again_once_it_is_back() -> None:
    folded = run([CREATE, RECORDS[4]])

    folded.take(*event(1, at="2026-03-01T10:00:31Z", model="gpt-4o"))
    other = folded.observation.priced
    folded.take(*event(2, at="2026-03-01T10:00:32Z", model="gpt-4o-mini"))

    assert (other.total_cost, other.model_id) == (Decimal("0.0025"), "gpt-4o")
    assert folded.observation.priced.total_cost == 1_000


def test_terms_that_do_not_hold_leave_the_price_that_it_has() -> None:
    later = datetime.fromisoformat(START) + timedelta(seconds=1)
    for terms in (shipped_terms("gpt-4o"), msgspec.structs.replace(shipped_terms(), since=later)):
        folded = run([CREATE])
        before = folded.observation.priced

        folded.take(*repricing(1, terms))

        assert folded.observation.priced is before


def test_what_the_sender_says_that_it_cost_stays() -> None:
    for order in (
        [CREATE, RECORDS[4], event(1, costDetails={"total": 7})],
        [event(0, startTime=START, model="gpt-4o-mini", usage={"input": 1}, costDetails={"total": 7}), RECORDS[4]],
    ):
        priced = run(order).observation.priced
        assert (priced.total_cost, priced.price_version) == (7, None)


def test_a_price_can_be_taken_away() -> None:
    nobody = msgspec.structs.replace(shipped_terms(), price=None)

    folded = run([CREATE, repricing(1, nobody)])

    assert folded.observation.priced.total_cost is None
    assert not any(folded.windows.values())


def test_a_model_that_nobody_knew_gets_a_price_and_its_windows_move_with_it() -> None:
    unknown = event(0, startTime=START, model="mystery", usage={"input": 3})
    folded = run([unknown])
    assert folded.observation.priced.total_cost is None

    folded.take(*repricing(1, shipped_terms("mystery")))

    assert folded.observation.priced.total_cost == 3
    assert {(part.model, part.bucket): cost for part, cost in folded.windows.items() if cost} == {
        ("mystery-anew", "minute"): 3,
        ("mystery-anew", "hour"): 3,
        ("mystery-anew", "day"): 3,
    }


def test_an_observation_that_is_not_there_is_not_made() -> None:
    folded = Folded()
    assert folded.take(*repricing(1, shipped_terms())) == 0
    assert folded.state.traces.get(("p", "t")) is None

    folded.take(*CREATE)
    assert folded.take(*repricing(1, shipped_terms(), "another")) == 0


def test_a_repricing_is_no_receipt_and_amends_nothing() -> None:
    ended = event(0, startTime=START, endTime=START, model="gpt-4o-mini", usage={"input": 1}, parentObservationId=None)
    folded = run([ended])
    trace = folded.state.traces.get(("p", "t"))
    assert trace is not None
    received_us = trace.last_received_us
    fold = Fold(folded.state, PriceList(PRICES), origin=1, received_us=received_us + 3_600_000_000, max_spans=1_000)
    headers = RawHeaders("repricing", ProjectId("p"), received_us + 3_600_000_000, 1)
    for change in map_record(headers, repricing(1, shipped_terms())[1]).changes:
        fold.apply(change)
    fold.find_turned()

    assert len(fold.finish().traces) == 1
    assert (trace.last_received_us, trace.amended) == (received_us, False)
    assert trace.updated_us == received_us + 3_600_000_000


def test_a_stored_observation_loads_with_its_terms() -> None:
    folded = run([CREATE, RECORDS[4]])
    state = folded.observation
    written = msgspec.structs.asdict(observation_row(state))
    row = {
        **written,
        **{
            field: None if written[field] is None else microseconds(written[field])
            for field in ("start_time", "end_time", "completion_start_time")
        },
        "created": state.created_us,
        "updated": state.updated_us,
        "day": written["day"].isoformat(),
        "stamps": json.loads(written["stamps"]),
        "usage_details": json.loads(written["usage_details"]),
        **{field: str(written[field]) for field in ("total_cost", "input_price")},
        "input": None,
        "output": None,
        "metadata": None,
    }

    loaded = observation_from_row(row)
    prices = PriceList(PRICES).as_of(RECEIVED_US).of_project("p")

    assert observation_row(loaded) == observation_row(state)
    assert loaded.folded.wins == state.folded.wins
    assert loaded.inputs_of_price(prices) == state.inputs_of_price(prices)
