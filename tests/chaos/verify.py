"""The verdict: the rows of a project and the right answer in, what was lost, stored twice or stored wrong out, to the last digit.

It reads the tables with its own statements. Left out is only what no event decides: times of receipt and of writing, stamps, the day
that a row is stored under, and the name and version of a price.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Final

import asyncpg

from tests.chaos.expected import (
    Expected,
    Figures,
    Observation,
    ObservationKey,
    RollUp,
    Score,
    Seen,
    Trace,
    WindowKey,
)

_OBSERVATIONS: Final = """
    select o.*, b.input, b.output, b.metadata from observations o
    left join observation_bodies b using (project_id, day, trace_id, id) where project_id = $1"""
_TRACES: Final = """
    select t.*, b.input, b.output, b.metadata from traces t
    left join trace_bodies b on (b.project_id, b.trace_id) = (t.project_id, t.id) where t.project_id = $1"""
_SCORES: Final = "select * from scores where project_id = $1"
_USERS: Final = """
    select id, min(first_seen_at) as first, max(last_seen_at) as last, null as environment from users where project_id = $1 group by id"""
_SESSIONS: Final = """
    select id, min(created_at) as first, max(last_seen_at) as last, (array_agg(environment order by created_at, environment))[1] as environment
    from sessions where project_id = $1 group by id"""
_WINDOWS: Final = """
    select user_id, model, bucket, bucket_start, sum(cost) as cost, sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens,
           sum(total_tokens) as total_tokens, sum(generations) as generations, sum(errors) as errors, sum(traces) as traces
    from cost_parts where project_id = $1 group by user_id, model, bucket, bucket_start"""
_LETTERS: Final = "select reason, entity, detail, count(*) as letters from dead_letters where project_id = $1 group by reason, entity, detail"

_SHOWN_CHARACTERS: Final = 120

Rows = Mapping[str, list[asyncpg.Record]]
"""What is stored, by kind."""


@dataclass
class Findings:
    """A line for each thing that is not as it must be, and how many rows of each kind were compared."""

    lost: list[str] = field(default_factory=list[str])
    duplicated: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])
    checked: dict[str, int] = field(default_factory=dict[str, int])

    def __bool__(self) -> bool:
        return bool(self.lost or self.duplicated or self.wrong)

    def lines(self, most: int = 20) -> list[str]:
        """The first lines of each list, each with the name of its list."""
        lists = {"lost": self.lost, "duplicated": self.duplicated, "wrong": self.wrong}
        return [f"{name}: {line}" for name, found in lists.items() for line in found[:most]]


async def compare(
    connection: asyncpg.Connection, project_id: str, expected: Expected, *, known_letters: Collection[str] = ()
) -> Findings:
    """What is stored for a project against what must be. `known_letters`: entities and reasons of dead letters that others caused.

    Reads one snapshot. A project holds the rows of `expected` and no other.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await read_rows(connection, project_id)
    return judge(rows, expected, known_letters=known_letters)


async def read_rows(connection: asyncpg.Connection, project_id: str) -> Rows:
    """All that is stored for a project, by kind, as the caller's transaction sees it."""
    return {name: await connection.fetch(query, project_id) for name, query in _QUERIES.items()}


def judge(rows: Rows, expected: Expected, *, known_letters: Collection[str] = ()) -> Findings:
    """`compare` of rows that are read."""
    findings = Findings(checked={name: len(found) for name, found in rows.items()})
    costs = _compare_observations(findings, expected, rows["observations"])
    _compare_traces(findings, expected.traces, expected.roll_ups(costs), rows["traces"])
    _compare_scores(findings, expected.scores, rows["scores"])
    _compare_seen(findings, "user", expected.users, rows["users"])
    _compare_seen(findings, "session", expected.sessions, rows["sessions"])
    _compare_windows(findings, expected.windows(costs), rows["windows"])
    _compare_letters(findings, expected, rows["dead_letters"], known_letters)
    return findings


_QUERIES: Final = {
    "observations": _OBSERVATIONS,
    "traces": _TRACES,
    "scores": _SCORES,
    "users": _USERS,
    "sessions": _SESSIONS,
    "windows": _WINDOWS,
    "dead_letters": _LETTERS,
}


KINDS: Final = tuple(_QUERIES)
"""What is compared."""


def _compare_observations(
    findings: Findings, expected: Expected, rows: Iterable[asyncpg.Record]
) -> dict[ObservationKey, Decimal | None]:
    """Returns what each observation costs: as expected, or by the second table where that is what its row was priced by."""
    costs = expected.costs()
    seen: set[ObservationKey] = set()
    for row in rows:
        key = (row["trace_id"], row["id"])
        name = f"observation {row['trace_id']}/{row['id']}"
        one = expected.observations.get(key)
        if one is None:
            findings.wrong.append(f"{name}: stored, but nobody sent it")
        elif key in seen:
            findings.duplicated.append(f"{name}: stored under {row['day']} and under another day")
        else:
            other = expected.other_prices.get(key)
            if other is not None and row["input_price"] == other.input_price:
                one = other
                costs[key] = other.total_cost
            _compare_row(findings, name, one, row, _observation_columns)
        seen.add(key)
    findings.lost += [f"observation {t}/{o}: not stored" for t, o in expected.observations.keys() - seen]
    return costs


def _compare_traces(
    findings: Findings, expected: Mapping[str, Trace], roll_ups: Mapping[str, RollUp], rows: Iterable[asyncpg.Record]
) -> None:
    seen: set[str] = set()
    for row in rows:
        name = f"trace {row['id']}"
        trace = expected.get(row["id"])
        if trace is None:
            findings.wrong.append(f"{name}: stored, but nobody sent it")
            continue
        seen.add(trace.id)
        _compare_row(findings, name, trace, row, _trace_columns)
        _compare_row(findings, name, roll_ups[trace.id], row, _roll_up_columns)
    findings.lost += [f"trace {trace_id}: not stored" for trace_id in expected.keys() - seen]


def _compare_scores(findings: Findings, expected: Mapping[str, Score], rows: Iterable[asyncpg.Record]) -> None:
    seen: set[str] = set()
    for row in rows:
        score = expected.get(row["id"])
        if score is None:
            findings.wrong.append(f"score {row['id']}: stored, but nobody sent it")
            continue
        seen.add(score.id)
        _compare_row(findings, f"score {score.id}", score, row, _score_columns)
    findings.lost += [f"score {score_id}: not stored" for score_id in expected.keys() - seen]


def _compare_seen(findings: Findings, kind: str, expected: Mapping[str, Seen], rows: Iterable[asyncpg.Record]) -> None:
    stored = {row["id"]: row for row in rows}
    findings.lost += [f"{kind} {name}: not stored" for name in expected.keys() - stored.keys()]
    findings.wrong += [f"{kind} {name}: stored, but nobody sent it" for name in stored.keys() - expected.keys()]
    for name in expected.keys() & stored.keys():
        columns = ("first", "last") if kind == "user" else ("first", "last", "environment")
        _compare_row(findings, f"{kind} {name}", expected[name], stored[name], columns)


def _compare_windows(findings: Findings, expected: Mapping[WindowKey, Figures], rows: Iterable[asyncpg.Record]) -> None:
    stored = {WindowKey(row["user_id"], row["model"], row["bucket"], row["bucket_start"]): row for row in rows}
    for key, figures in expected.items():
        row = stored.get(key)
        if row is None:
            findings.lost.append(f"{_window_name(key)}: not stored")
        else:
            _compare_row(findings, _window_name(key), figures, row, _figure_columns)
    for key in stored.keys() - expected.keys():
        _compare_row(findings, _window_name(key), _NO_FIGURES, stored[key], _figure_columns)


def _compare_letters(
    findings: Findings, expected: Expected, rows: Iterable[asyncpg.Record], known: Collection[str]
) -> None:
    stored = {(row["reason"], row["entity"]): row for row in rows}
    wanted = set(map(tuple, expected.dead))
    findings.lost += [f"dead letter {entity}: none for {reason}" for reason, entity in wanted - stored.keys()]
    for key in stored.keys() - wanted:
        reason, entity = key
        if reason not in known and entity not in known:
            row = stored[key]
            findings.wrong.append(
                f"dead letter {entity}: {row['letters']} for {reason} ({row['detail']}), expected none"
            )


def _compare_row(findings: Findings, name: str, expected: Any, row: asyncpg.Record, columns: Iterable[str]) -> None:
    for column in columns:
        wanted, found = getattr(expected, column), row[column]
        if wanted is found or (found == wanted and type(found) is type(wanted) and not isinstance(found, dict)):
            continue
        if not same(wanted, found):
            findings.wrong.append(f"{name}: {column} expected {shown(wanted)}, stored {shown(found)}")


def same(wanted: Any, found: Any) -> bool:
    """Whether a stored value is the expected one. JSON is compared as what it says, numbers to the last digit, 1 is not true."""
    if wanted is None or found is None:
        return wanted is found
    if isinstance(wanted, dict):
        return _canonical(wanted) == _canonical(_load(found) if isinstance(found, str) else found)
    if isinstance(wanted, str) and isinstance(found, str):
        return wanted == found or (wanted[:1] in ("{", "[") and _is_same_json(wanted, found))
    if isinstance(wanted, list):
        return list(wanted) == list(found)  # pyright: ignore[reportUnknownArgumentType]
    return wanted == found


def _is_same_json(wanted: str, found: str) -> bool:
    try:
        return _canonical(_load(wanted)) == _canonical(_load(found))
    except ValueError:
        return False


def _load(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _canonical(value: Any) -> Any:
    """A value that is equal to another only if both say the same JSON."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_canonical(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value, type(value).__name__
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return number, "number"


def _window_name(key: WindowKey) -> str:
    return f"window {key.user_id or '(no user)'} {key.model or '(no model)'} {key.bucket} {key.bucket_start:%Y-%m-%dT%H:%MZ}"


def shown(value: Any) -> str:
    """A value as a line shows it: amounts in plain digits, long texts cut."""
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}… ({len(text)} characters)"


def _columns(row: type[Any]) -> tuple[str, ...]:
    return tuple(one.name for one in fields(row) if one.metadata.get("column", True))


_observation_columns: Final = _columns(Observation)
_trace_columns: Final = _columns(Trace)
_roll_up_columns: Final = _columns(RollUp)
_score_columns: Final = _columns(Score)
_figure_columns: Final = _columns(Figures)
_NO_FIGURES: Final = Figures()
