"""Small random projects: traces, observations and scores as the sink would write them, and the cost parts that belong to them."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.query.seed import Seed

Row = dict[str, Any]

STARTS = [
    datetime(2026, 3, 28, 21, tzinfo=UTC),
    datetime(2026, 10, 24, 21, tzinfo=UTC),
    datetime(2026, 11, 1, 3, tzinfo=UTC),
    datetime(2026, 12, 31, 20, tzinfo=UTC),
]
"""Before nights in which clocks of Europe or America are set, or a year ends."""

DAYS = 3
FIGURES = ("cost", "input_tokens", "output_tokens", "total_tokens", "traces")
NAMES: SearchStrategy[str | None] = st.none() | st.sampled_from(["a", "B", "ä", "a-long name", "%"])
_tokens = st.sampled_from([0, 1, 7, 120, 2**53 + 1])
_costs = st.none() | st.decimals("0", "3", places=7)
_details = st.dictionaries(
    st.sampled_from(["input", "input_cached_tokens", "output", "total"]), st.integers(0, 9), max_size=3
)


class World(NamedTuple):
    """What one project holds. All times lie within `DAYS` of `start`."""

    start: datetime
    traces: list[Row]
    observations: list[Row]
    scores: list[Row]

    def cost_parts(self) -> list[Row]:
        """The minute, hour and day parts of the counted observations and of the traces, spread over partitions."""
        users = {trace["id"]: trace["user_id"] for trace in self.traces}
        sums: dict[tuple[Any, ...], Counter[str]] = {}
        for number, trace in enumerate(self.traces):
            _add(sums, number % 3, trace["user_id"], None, trace["timestamp"], {"traces": 1})
        for number, one in enumerate(self.observations):
            if one["counted"]:
                model = one["model_id"] or one["model"]
                figures = {name: one[name] for name in FIGURES[1:4]} | {"cost": one["total_cost"] or 0}
                _add(sums, number % 3, users.get(one["trace_id"]), model, one["start_time"], figures)
        names = ("partition", "user_id", "model", "bucket", "bucket_start")
        rest = {"generations": 0, "errors": 0, "epoch": 1, "origin": 1}
        return [dict(zip(names, key, strict=True)) | dict.fromkeys(FIGURES, 0) | sums[key] | rest for key in sums]

    async def write(self, seed: Seed) -> None:
        """Store all of it."""
        for trace in self.traces:
            await seed.trace(**{"id_" if name == "id" else name: value for name, value in trace.items()})
        for one in self.observations:
            await seed.observation(**{"id_" if name == "id" else name: value for name, value in one.items()})
        for score in self.scores:
            await seed.score(**{"id_" if name == "id" else name: value for name, value in score.items()})
        for part in self.cost_parts():
            await seed.insert("cost_parts", part)


def _add(sums: dict[tuple[Any, ...], Counter[str]], *place: Any) -> None:
    partition, user, model, at, figures = place
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    hour = at.replace(minute=0, second=0, microsecond=0)
    for bucket, start in (("minute", at.replace(second=0, microsecond=0)), ("hour", hour), ("day", midnight)):
        part = sums.setdefault((partition, user, model, bucket, start), Counter())
        for name, figure in figures.items():
            part[name] += figure


@st.composite
def worlds(draw: DrawFn) -> World:
    """A project of a few traces, a dozen observations and as many scores; some speak of traces that are not there."""
    start = draw(st.sampled_from(STARTS))
    traces = [draw(_traces(start, f"t{number}")) for number in range(draw(st.sampled_from([0, 1, 5])))]
    trace_ids = st.sampled_from([*(trace["id"] for trace in traces), "nowhere"])
    observations = [
        draw(_observations(start, trace_ids, f"o{number}")) for number in range(draw(st.sampled_from([0, 2, 16])))
    ]
    targets = st.sampled_from([*((one["trace_id"], one["id"]) for one in observations), ("t0", None), (None, None)])
    scores = [draw(_scores(start, targets, f"c{number}")) for number in range(draw(st.sampled_from([0, 2, 16])))]
    return World(start, traces, observations, scores)


def times(start: datetime) -> SearchStrategy[datetime]:
    """Moments to the microsecond; many lie in one hour, and some on its ends."""
    exact = st.tuples(_hours, _minutes).map(lambda at: start + timedelta(hours=at[0], minutes=at[1]))
    return exact | st.tuples(exact, st.integers(0, 59_999_999)).map(lambda at: at[0] + timedelta(microseconds=at[1]))


_hours = st.integers(0, DAYS * 24 - 1)
_minutes = st.sampled_from([0, 1, 15, 30, 59])


def _rows(**fields: SearchStrategy[Any]) -> SearchStrategy[Row]:
    return st.fixed_dictionaries(fields)


def _traces(start: datetime, id_: str) -> SearchStrategy[Row]:
    at = times(start)
    return _rows(
        id=st.just(id_),
        timestamp=at,
        name=NAMES,
        user_id=NAMES,
        session_id=NAMES,
        release=NAMES,
        version=NAMES,
        environment=st.sampled_from(["default", "prod"]),
        tags=st.lists(st.sampled_from(["x", "y", "Z"]), unique=True, max_size=2),
        first_start=st.none() | at,
        last_end=st.none() | at,
        input_tokens=_tokens,
        output_tokens=_tokens,
        total_tokens=_tokens,
        total_cost=_costs,
    )


def _observations(start: datetime, trace_ids: SearchStrategy[str], id_: str) -> SearchStrategy[Row]:
    at = times(start)
    return _rows(
        id=st.just(id_),
        trace_id=trace_ids,
        type=st.sampled_from(["SPAN", "GENERATION"]),
        name=NAMES,
        parent_observation_id=st.none() | st.just("o0"),
        is_app_root=st.booleans(),
        start_time=at,
        end_time=st.none() | at,
        completion_start_time=st.none() | at,
        environment=st.sampled_from(["default", "prod"]),
        level=st.sampled_from(["DEFAULT", "ERROR"]),
        version=NAMES,
        model=NAMES,
        model_id=st.none() | st.just("known"),
        counted=st.sampled_from([True, True, False]),
        cost_details=_details.map(lambda details: {key: f"{value}.25" for key, value in details.items()}),
        total_cost=_costs,
        prompt_name=NAMES,
        prompt_version=st.none() | st.integers(1, 12),
        **_USAGES,
    ).map(_with_usage)


_USAGES: Mapping[str, SearchStrategy[Any]] = {"usage_details": _details} | dict.fromkeys(FIGURES[1:4], _tokens)


def _with_usage(row: Row) -> Row:
    """Without usage there are no tokens."""
    return row if row["usage_details"] else row | dict.fromkeys(FIGURES[1:4], 0)


def _scores(start: datetime, targets: SearchStrategy[Any], id_: str) -> SearchStrategy[Row]:
    kinds = st.sampled_from(["NUMERIC", "NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT"])
    plain = _rows(
        id=st.just(id_),
        timestamp=times(start),
        name=st.sampled_from(["quality", "tone"]),
        data_type=kinds,
        value=st.sampled_from([0.0, 1.0, 0.1, 0.2, -3.5, 1e-7, 1e15]),
        string_value=NAMES,
        source=st.sampled_from(["API", "EVAL"]),
        environment=st.sampled_from(["default", "prod"]),
        config_id=NAMES,
        session_id=NAMES,
    )
    return st.builds(_with_target, plain, targets)


def _with_target(score: Row, target: tuple[str | None, str | None]) -> Row:
    if score["data_type"] == "BOOLEAN":
        score = score | {"value": float(score["value"] > 0)}
    return score | {"trace_id": target[0], "observation_id": target[1]}


def exact(value: float) -> Decimal:
    """The decimal that a double's shortest text says."""
    return Decimal(repr(value))
