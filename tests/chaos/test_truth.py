"""The reference itself: the same seed says the same, its sums add up, its prices are the vendors', and it holds all that it promises."""

import gzip
import json
import re
from collections import Counter
from datetime import datetime
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.chaos.expected import MONEY_DIGITS, DeadEvent, Observation
from tests.chaos.prices import BY_NAME, MODELS, UNKNOWN_MODELS, change_prices, cost_of
from tests.chaos.requests import LATE_FROM, MAX_EVENTS, Request
from tests.chaos.truth import Shape, World
from tests.chaos.verify import KINDS, judge, same

BASE_US = 1_795_000_000_000_000
PRICE_FILE = Path(__file__).parents[2] / "schemas" / "prices.json"


@pytest.fixture(scope="module")
def world() -> World:
    return World(4, Shape(traces=150, text_bytes=100), base_us=BASE_US)


def test_the_same_seed_gives_the_same_requests_and_the_same_answer(world: World) -> None:
    again = World(4, world.shape, base_us=BASE_US)

    assert again.requests() == world.requests()
    assert again.expected == world.expected


def test_another_seed_gives_other_ids(world: World) -> None:
    other = World(5, world.shape, base_us=BASE_US)

    assert other.expected.traces.keys().isdisjoint(world.expected.traces)
    assert other.expected.observations.keys().isdisjoint(world.expected.observations)


def test_windows_of_every_bucket_add_up_to_the_counted_cost(world: World) -> None:
    counted = [one for one in world.expected.observations.values() if one.counted]
    windows = world.expected.windows()

    for bucket in ("minute", "hour", "day"):
        of_bucket = [figures for key, figures in windows.items() if key.bucket == bucket]
        with localcontext(prec=MONEY_DIGITS):
            assert sum(figures.cost for figures in of_bucket) == sum(one.total_cost or 0 for one in counted) > 0
        assert sum(figures.total_tokens for figures in of_bucket) == sum(one.total_tokens for one in counted)
        assert sum(figures.traces for figures in of_bucket) == len(world.expected.traces)


def test_roll_ups_add_up_to_all_observations(world: World) -> None:
    roll_ups = world.expected.roll_ups().values()

    assert sum(one.observation_count for one in roll_ups) == len(world.expected.observations)
    assert sum(one.error_count for one in roll_ups) == sum(
        one.level == "ERROR" for one in world.expected.observations.values()
    )


def test_each_request_is_delivered_twice_or_more_and_what_is_late_only_at_the_end(world: World) -> None:
    deliveries = Counter(request.number for request in world.requests())
    ats = [request.at for request in world.requests()]

    assert set(deliveries.values()) == {2, 3}
    assert ats == sorted(ats)
    assert 0 <= ats[0] < ats[-1] <= 1
    assert sum(at > LATE_FROM for at in ats) > len(ats) / 4


def test_one_delivery_is_enough_when_it_is_asked_for() -> None:
    once = World(4, Shape(traces=20, twice=False), base_us=BASE_US)

    assert set(Counter(request.number for request in once.requests()).values()) == {1}


def test_requests_are_of_all_kinds_and_mix_traces(world: World) -> None:
    kinds = Counter((one.path.rpartition("/")[2], one.content_type, one.content_encoding) for one in world.requests())

    assert set(kinds) == {
        ("traces", "application/x-protobuf", ""),
        ("traces", "application/x-protobuf", "gzip"),
        ("traces", "application/json", ""),
        ("traces", "application/json", "gzip"),
        ("ingestion", "application/json", ""),
        ("scores", "application/json", ""),
    }
    assert max(one.events for one in world.requests()) >= MAX_EVENTS
    batches = [_events(one) for one in world.requests() if one.path.endswith("ingestion")]
    assert max(len({event["body"].get("traceId") for event in batch}) for batch in batches) > 10


def test_an_update_that_is_older_than_its_create_counts_as_late_only_beside_it(world: World) -> None:
    older_alone = older_beside = 0
    batches = [_events(one) for one in world.requests()]
    created = {event["body"].get("id"): event for batch in batches for event in batch if _is_creation(event)}
    for batch in batches:
        ids = {event["id"] for event in batch}
        for event in batch:
            create = created.get(event["body"].get("id"))
            if event["type"].endswith("-update") and create and _at(event) < _at(create):
                older_beside += create["id"] in ids
                older_alone += create["id"] not in ids

    assert older_alone > 0
    assert older_beside > 0


def test_a_world_holds_what_is_hard(world: World) -> None:
    observations = world.expected.observations.values()
    traces = world.expected.traces.values()
    bodies = [_clean(one) for one in world.requests() if one.content_type == "application/json"]

    assert {one.type for one in observations} >= {"GENERATION", "SPAN", "EVENT", "EMBEDDING", "AGENT", "TOOL"}
    assert {one.model for one in observations} >= {*BY_NAME, *UNKNOWN_MODELS, None}
    assert any(not one.counted and one.total_cost for one in observations)
    assert any(one.as_root and one.parent_observation_id for one in observations)
    assert any(one.is_app_root for one in observations)
    assert any(one.provided_cost_details and one.total_cost is None for one in observations)
    assert max(_digits(one) for one in observations) > 25
    assert len({one.start_time.date() for one in observations}) > 1
    assert any(one.user_id is None for one in traces)
    assert {"user-early", "user-mistaken", "user-stale"} <= world.expected.users.keys()
    assert {one.environment for one in traces} >= {"default", "production"}
    assert max(len(one.input or "") for one in observations) > 50_000
    assert any(one.end_time == one.start_time for one in observations)
    assert any(b"\\u0000" in body for body in bodies)
    assert any(b"\\ud83d" in body for body in bodies)
    assert world.expected.dead == set()


def test_a_big_trace_comes_children_first() -> None:
    big = World(1, Shape(traces=0, scores=0, dead=0, big_trace_spans=1_100, twice=False), base_us=BASE_US)

    spans = [span for one in big.requests() for span in _spans(one)]
    seen: set[str] = set()
    for span_id, parent_id in spans:
        assert parent_id not in seen
        seen.add(span_id)

    assert len(seen) == len(spans) == len(big.expected.observations) == 1_100
    assert [one.events for one in big.requests()] == [500, 500, 100]
    assert spans[-1][1] is None


def test_the_prices_are_those_of_the_price_file() -> None:
    listed = {model["model"]: model for model in json.loads(PRICE_FILE.read_bytes())["models"]}

    for price in MODELS:
        (dated,) = listed[price.model]["prices"]
        tiers = {tier["isDefault"]: tier["prices"] for tier in dated["tiers"] if not tier.get("serviceTiers")}
        for kinds, tier in ((price.usd, tiers[True]), (price.long_usd or {}, tiers.get(False, {}))):
            assert bool(kinds) == bool(tier)
            assert {kind: Decimal(tier[kind]) for kind in kinds} == kinds


def test_a_cost_is_the_price_of_each_kind_and_what_a_sender_says_wins() -> None:
    usage = {"input": 1_000, "output": 10, "input_cached_tokens": 200, "total": 1_210}

    assert cost_of("gpt-4o", usage, None).total == Decimal("0.00285")
    assert cost_of("claude-sonnet-4-5", {**usage, "input": 300_000}, None).details["output"] == Decimal("0.000225")
    assert cost_of("gpt-4o", usage, {"input": Decimal("0.1"), "output": Decimal("0.02")}).total == Decimal("0.12")
    assert cost_of("gpt-4o", usage, {"other": Decimal(1)}).total is None
    assert cost_of("nobody sells it", usage, None).total is None


def test_changed_prices_are_another_price_file_for_the_same_models() -> None:
    changed = json.loads(change_prices(PRICE_FILE.read_bytes()))
    (model,) = (model for model in changed["models"] if model["model"] == "gpt-4o")
    usage = {"input": 1_000, "total": 1_000}

    assert model["prices"][0]["tiers"][0]["prices"]["input"] == "0.000003425"
    assert cost_of("gpt-4o", usage, None, changed=True).total == Decimal("0.003425")


def test_what_is_not_there_is_lost_also_a_dead_letter() -> None:
    world = World(1, Shape(traces=2, scores=1), base_us=BASE_US)
    world.expected.dead.add(DeadEvent("invalid_payload", None))

    findings = judge({kind: [] for kind in KINDS}, world.expected)

    assert "dead letter None: none for invalid_payload" in findings.lost
    lost = {line.split()[0] for line in findings.lost}
    assert lost == {"observation", "trace", "score", "user", "session", "window", "dead"}
    assert (findings.wrong, findings.duplicated) == ([], [])


@pytest.mark.parametrize(
    ("wanted", "found", "verdict"),
    [
        ({"a": 1}, '{"a": 1}', True),
        ({"a": 1}, '{"a": true}', False),
        ({"a": Decimal("0.10")}, '{"a": 0.1}', True),
        ({"a": Decimal("0.1")}, '{"a": 0.10000000000000000001}', False),
        ('{"a": [1, 2]}', '{"a":[1,2]}', True),
        ("1 ", "1", False),
        (None, {}, False),
        (Decimal("0.10"), Decimal("0.1"), True),
        (["a"], ["a", "a"], False),
    ],
)
def test_values_are_the_same_if_they_say_the_same(wanted: Any, found: Any, verdict: bool) -> None:
    assert same(wanted, found) is verdict


def _clean(request: Request) -> bytes:
    return gzip.decompress(request.body) if request.content_encoding else request.body


def _events(request: Request) -> list[dict[str, Any]]:
    return json.loads(request.body)["batch"] if request.path.endswith("ingestion") else []


def _is_creation(event: dict[str, Any]) -> bool:
    return event["type"].endswith("-create") and event["type"] not in ("trace-create", "score-create")


def _at(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["timestamp"])


def _digits(one: Observation) -> int:
    return max((len(cost.as_tuple().digits) for cost in one.cost_details.values()), default=0)


def _spans(request: Request) -> list[tuple[str, str | None]]:
    """The ids of a request's spans and of their parents."""
    body = _clean(request)
    if request.content_type == "application/json":
        groups = json.loads(body)["resourceSpans"]
        spans = [span for group in groups for span in group["scopeSpans"][0]["spans"]]
        return [(span["spanId"], span.get("parentSpanId")) for span in spans]
    mended = re.sub(rb"\xf0\x9f\x98(?![\x80-\xbf])", b"\xef\xbf\xbd", body)
    groups = ExportTraceServiceRequest.FromString(mended).resource_spans
    found = [span for group in groups for span in group.scope_spans[0].spans]
    return [(span.span_id.hex(), span.parent_span_id.hex() or None) for span in found]
