"""GET /api/tailrace/v1/datasets/{name}/runs/compare: two runs of a dataset item by item, what each scored, took and cost, and the differences.

A difference is the second run's figure minus the first's. Of an item that ran several times in a run, the newest execution counts. Money is a
decimal string in USD, latency in seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tailrace.core.money import MONEY, add_money
from tailrace.query.bodies import Location, observation_bodies, trace_bodies
from tailrace.query.database import Reader
from tailrace.query.dataset_paths import name_before
from tailrace.query.dataset_rows import ComparedRead, ItemRead, RunRead
from tailrace.query.dataset_runs import find_run
from tailrace.query.dataset_shapes import run_shape
from tailrace.query.datasets import find_dataset
from tailrace.query.endpoint import Answer, Call
from tailrace.query.errors import InvalidRequestError, TooMuchError
from tailrace.query.executions import executions
from tailrace.query.json_text import embed_instant, embed_json, embed_money, embed_text
from tailrace.query.listing import page_meta
from tailrace.query.parameters import page, text
from tailrace.query.rows import ScoreRead
from tailrace.query.sql import statement

MAX_EXECUTIONS: Final = 20_000
MAX_SCORES_EACH: Final = 200

_executed: Final = statement("list_compared", executions=executions())
Outputs = Mapping[tuple[str, str | None], str | None]


class Side(NamedTuple):
    """An item in one run: its newest execution, how often it ran there, and its newest score of each name."""

    one: ComparedRead
    times: int
    scores: Mapping[str, ScoreRead]


Sides = Mapping[str, Side]


async def compare_runs(call: Call) -> Answer:
    """A counted page of items, and a summary over all of them."""
    name = name_before(call.raw_path, "/api/tailrace/v1/datasets/", "/runs/compare")
    asked = page(call.query)
    async with call.database.snapshot() as reader:
        dataset = await find_dataset(reader, call.project_id, name)
        runs = [await find_run(reader, call.project_id, dataset, _needed(call, which)) for which in ("base", "with")]
        base, other = [await _sides(reader, call.project_id, run) for run in runs]
        ids = sorted(base.keys() | other.keys())
        shown = ids[asked.offset : asked.offset + asked.limit]
        items = await _items(reader, call.project_id, shown)
        outputs = await _outputs(
            reader, call.project_id, [side[id_].one for side in (base, other) for id_ in shown if id_ in side]
        )

    def build() -> dict[str, Any]:
        return {
            "base": run_shape(dataset, runs[0]),
            "with": run_shape(dataset, runs[1]),
            "summary": _summary(base, other),
            "data": [_compared(id_, items.get(id_), base.get(id_), other.get(id_), outputs) for id_ in shown],
            "meta": page_meta(asked, len(ids)),
        }

    return Answer(build, len(shown))


async def _sides(reader: Reader, project_id: str, run: RunRead) -> dict[str, Side]:
    """The items of a run. Raises TooMuchError."""
    found = await reader.rows(ComparedRead, _executed, (project_id, run.id, MAX_EXECUTIONS + 1))
    if len(found) > MAX_EXECUTIONS:
        raise TooMuchError(f"the run {run.name!r} has more than {MAX_EXECUTIONS} executions, too many to compare")
    newest: dict[str, ComparedRead] = {}
    times: dict[str, int] = {}
    for one in found:
        newest.setdefault(one.item_id, one)
        times[one.item_id] = times.get(one.item_id, 0) + 1
    executed = list(newest.values())
    values = (project_id, [one.trace_id for one in executed], [one.observation_id for one in executed], MAX_SCORES_EACH)
    by_trace: dict[str | None, list[ScoreRead]] = {}
    for score in await reader.rows(ScoreRead, statement("list_scores_of_executions"), values):
        by_trace.setdefault(score.trace_id, []).append(score)
    return {
        item_id: Side(one, times[item_id], _newest_by_name(one, by_trace.get(one.trace_id, ())))
        for item_id, one in newest.items()
    }


def _newest_by_name(one: ComparedRead, scores: Iterable[ScoreRead]) -> dict[str, ScoreRead]:
    """`scores`: newest first."""
    by_name: dict[str, ScoreRead] = {}
    for score in scores:
        if score.observation_id in (None, one.observation_id):
            by_name.setdefault(score.name, score)
    return by_name


async def _items(reader: Reader, project_id: str, ids: Sequence[str]) -> dict[str, ItemRead]:
    found = await reader.rows(ItemRead, statement("list_compared_items"), (project_id, ids))
    return {one.id: one for one in found}


async def _outputs(reader: Reader, project_id: str, executed: Sequence[ComparedRead]) -> Outputs:
    """What each execution answered: its root observation, or else its trace."""
    outputs: dict[tuple[str, str | None], str | None] = {}
    bare = [one.trace_id for one in executed if one.observation_id is None]
    if bare:
        found = await trace_bodies(reader, project_id, bare)
        outputs |= {(id_, None): body.output for id_, body in found.items()}
    rooted = [
        Location(one.day, one.trace_id, one.observation_id)
        for one in executed
        if one.observation_id is not None and one.day is not None
    ]
    observed = await observation_bodies(reader, project_id, rooted)
    return outputs | {key: body.output for key, body in observed.items()}


def _compared(
    item_id: str, item: ItemRead | None, base: Side | None, other: Side | None, outputs: Outputs
) -> dict[str, Any]:
    return {
        "itemId": item_id,
        "input": None if item is None else embed_json(item.input),
        "expectedOutput": None if item is None else embed_json(item.expected_output),
        "base": _side(base, outputs),
        "with": _side(other, outputs),
        "differences": _differences(base, other),
    }


def _side(side: Side | None, outputs: Outputs) -> dict[str, Any] | None:
    if side is None:
        return None
    one = side.one
    return {
        "traceId": one.trace_id,
        "observationId": one.observation_id,
        "executedAt": embed_instant(one.at),
        "executions": side.times,
        "level": one.level,
        "latency": one.latency_seconds,
        "totalCost": embed_money(one.total_cost),
        "output": embed_text(outputs.get((one.trace_id, one.observation_id))),
        "scores": {name: _value(score) for name, score in sorted(side.scores.items())},
    }


def _differences(base: Side | None, other: Side | None) -> dict[str, Any] | None:
    """None where one side is missing. Of scores that are texts: whether they changed."""
    if base is None or other is None:
        return None
    costs = base.one.total_cost, other.one.total_cost
    return {
        "latency": _minus(other.one.latency_seconds, base.one.latency_seconds),
        "totalCost": None if costs[0] is None or costs[1] is None else embed_money(MONEY.subtract(costs[1], costs[0])),
        "scores": {
            name: _change(base.scores[name], other.scores[name])
            for name in sorted(base.scores.keys() & other.scores.keys())
        },
    }


def _summary(base: Sides, other: Sides) -> dict[str, Any]:
    """Over all items: what is on both sides, and how each score moved on those that have it on both."""
    names = sorted({name for sides in (base, other) for side in sides.values() for name in side.scores})
    return {
        "items": {
            "both": len(base.keys() & other.keys()),
            "onlyBase": len(base.keys() - other.keys()),
            "onlyWith": len(other.keys() - base.keys()),
        },
        "totalCost": {"base": _cost(base), "with": _cost(other)},
        "latency": {
            "base": _mean([side.one.latency_seconds for side in base.values()]),
            "with": _mean([side.one.latency_seconds for side in other.values()]),
        },
        "scores": {name: _score_summary(name, base, other) for name in names},
    }


def _score_summary(name: str, base: Sides, other: Sides) -> dict[str, Any]:
    paired = [
        (base[id_].scores[name], other[id_].scores[name])
        for id_ in base.keys() & other.keys()
        if name in base[id_].scores and name in other[id_].scores
    ]
    numeric = [(one.value, two.value) for one, two in paired if _is_number(one) and _is_number(two)]
    means = _mean([one for one, _ in numeric]), _mean([two for _, two in numeric])
    return {
        "compared": len(paired),
        "baseMean": means[0],
        "withMean": means[1],
        "difference": _minus(means[1], means[0]),
        "higher": sum(two > one for one, two in numeric),
        "lower": sum(two < one for one, two in numeric),
        "changed": sum(_value(one) != _value(two) for one, two in paired),
        "onlyBase": sum(name in side.scores for side in base.values()) - len(paired),
        "onlyWith": sum(name in side.scores for side in other.values()) - len(paired),
    }


def _value(score: ScoreRead) -> float | bool | str | None:
    if score.data_type == "NUMERIC":
        return score.value
    return score.value == 1 if score.data_type == "BOOLEAN" else score.long_string_value or score.string_value


def _is_number(score: ScoreRead) -> bool:
    return score.data_type in ("NUMERIC", "BOOLEAN")


def _change(base: ScoreRead, other: ScoreRead) -> float | bool:
    if _is_number(base) and _is_number(other):
        return other.value - base.value
    return _value(base) != _value(other)


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _mean(figures: Sequence[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) / len(known) if known else None


def _cost(sides: Sides) -> str | None:
    known = [side.one.total_cost for side in sides.values() if side.one.total_cost is not None]
    return embed_money(add_money(known)) if known else None


def _needed(call: Call, name: str) -> str:
    value = text(call.query, name)
    if value is None:
        raise InvalidRequestError("expected the name of a run, got nothing", name)
    return value
