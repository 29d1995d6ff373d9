"""Rows of Postgres back into the assembler's state, so that a late event merges like an early one. JSON of `queries.sql` in."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import orjson

from tailrace.assembler.entities import ObservationState, ScoreState, Sighting, TraceState
from tailrace.assembler.estimates import Estimate, Question, question_of
from tailrace.core.charging import Priced
from tailrace.core.contributions import ZERO, Amounts, Contributions, PartKey, Place
from tailrace.core.merge import Folded
from tailrace.core.money import money_text
from tailrace.core.repeats import MOST_MEMBERS, Figures, Member
from tailrace.core.stamps import load_folded
from tailrace.core.vocabularies import Vocabulary

Row = dict[str, Any]


def trace_from_row(row: Row) -> TraceState:
    """The state of a stored trace."""
    return TraceState(
        project_id=row["project_id"],
        id=row["id"],
        folded=load_folded("trace", row, row["metadata"] or {}, row["stamps"]),
        created_us=row["created"],
        updated_us=row["updated"],
        last_received_us=row["last_received"],
        observation_count=row["observation_count"],
        ended_roots=row["ended_roots"],
        first_start_us=row["first_start"],
        last_end_us=row["last_end"],
        amended=row["amended"],
        days={date.fromisoformat(day) for day in row["days"]},
        contributions=contributions_from_json(row["contributions"]),
        members=_members_from_json(row["members"]) if row["observation_count"] <= MOST_MEMBERS else None,
    )


def observation_from_row(row: Row) -> ObservationState:
    """The state of a stored observation, with the price that it has."""
    provided = _money_by_key(row["provided_cost_details"])
    is_repeat = not row["counted"]
    # Rows of the first release do not say what their convention says: there that alone made a repeat.
    values = {**row, "provided_cost_details": provided, "uncounted": is_repeat or None, "price_terms": None}
    vocabulary: Vocabulary | None = row["stamps"].get("e")
    if vocabulary is not None:
        values["usage_details"] = {}
    folded = load_folded("observation", values, row["metadata"] or {}, row["stamps"])
    return ObservationState(
        project_id=row["project_id"],
        trace_id=row["trace_id"],
        id=row["id"],
        folded=folded,
        created_us=row["created"],
        updated_us=row["updated"],
        day=date.fromisoformat(row["day"]),
        is_repeat=is_repeat,
        priced=Priced(
            cost_details=_money_by_key(row["cost_details"]) or {},
            total_cost=_money(row["total_cost"]),
            model_id=row["model_id"],
            price_version=row["price_version"],
            tier=row["pricing_tier"],
            input_price=_money(row["input_price"]),
            output_price=_money(row["output_price"]),
        ),
        estimate=None if vocabulary is None else _estimate(vocabulary, folded, row["usage_details"]),
    )


def score_from_row(row: Row) -> ScoreState:
    """The state of a stored score."""
    folded = load_folded("score", row, row["metadata"] or {}, row["stamps"])
    return ScoreState(row["project_id"], row["id"], folded, row["created"], row["updated"])


def sighting_from_row(row: Row) -> Sighting:
    """The state of a stored user or session."""
    return Sighting(row["first"], row["last"], row.get("environment", "default"))


def part_from_row(row: Row) -> tuple[PartKey, Amounts]:
    """A stored cost part."""
    key = PartKey(row["project_id"], row["user_id"], row["model"], row["bucket"], row["start"])
    return key, Amounts(
        Decimal(row["cost"]),
        row["input_tokens"],
        row["output_tokens"],
        row["total_tokens"],
        row["generations"],
        row["errors"],
        row["traces"],
    )


def contributions_to_json(contributions: Contributions) -> str:
    """`[[model, minute_us, cost, input, output, total, generations, errors, traces], …]` in a stable order."""
    rows = [
        [place.model, place.minute_us, money_text(amounts.cost), *amounts[1:]]
        for place, amounts in sorted(contributions.items(), key=lambda item: (item[0].minute_us, item[0].model or ""))
    ]
    return orjson.dumps(rows).decode()


def contributions_from_json(rows: list[list[Any]]) -> Contributions:
    """What `contributions_to_json` wrote, parsed."""
    return {Place(row[0], row[1]): Amounts(Decimal(row[2]), *row[3:]) for row in rows}


def _estimate(vocabulary: Vocabulary, folded: Folded, usage: dict[str, int]) -> Estimate:
    """The stored estimate. An earlier release that asked something else is asked again when the observation changes."""
    question = question_of(folded.values)
    if question is None or question.vocabulary != vocabulary:
        question = Question(vocabulary, None, None)
    return Estimate(question, usage)


def _members_from_json(rows: list[list[Any]] | None) -> dict[str, Member]:
    """`[[id, parent, input, output, total, given cost, counted, declared, vocabulary], …]`; `declared` is null where the row alone tells it."""
    members: dict[str, Member] = {}
    for id_, parent_id, given, answered, total, cost, counted, declared, vocabulary in rows or ():
        figures = Figures(given, answered, total, _money(cost) or ZERO)
        is_declared = (not counted) if declared is None else declared
        members[id_] = Member(parent_id, figures, is_declared, not counted, vocabulary is not None)
    return members


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _money_by_key(text: str | None) -> dict[str, Decimal] | None:
    """The numbers of a JSON object, exactly: orjson would make floats of them."""
    return None if text is None else json.loads(text, parse_float=Decimal, parse_int=Decimal)
