"""What repricing would change: stored observations of a model in, page by page; what each costs by today's prices out. Changes nothing.

The price is found and charged by the assembler's own code, from the row, so that the fold of a repricing comes to the same figures.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast

import asyncpg

from tailrace.admin.command import QUERIES
from tailrace.assembler.entities import ObservationState, instant
from tailrace.assembler.price_list import PricesOfProject
from tailrace.core.contributions import ZERO
from tailrace.core.merge import Folded
from tailrace.core.metadata import Uniform
from tailrace.core.price_terms import PriceTerms
from tailrace.core.stamp import CREATE, Stamp

PAGE_ROWS: Final = 1_000

_any_stamp: Final = Stamp(0, CREATE, "", "")
_any_day: Final = date(1970, 1, 1)


class Scope(NamedTuple):
    """Observations of one project that name `model`, or were found under it, and start in [`start`, `end`)."""

    project_id: str
    model: str
    start: datetime
    end: datetime


class Appraised(NamedTuple):
    """An observation that today's prices would give another cost, by `terms`.

    `label`: its model's name in windows, at that price. `before`, `after`: USD, None where nobody knew, or knows, a price.
    """

    trace_id: str
    id: str
    start: datetime
    user_id: str | None
    label: str | None
    is_counted: bool
    before: Decimal | None
    after: Decimal | None
    terms: PriceTerms

    @property
    def amounts(self) -> tuple[Decimal, Decimal]:
        """What sums have of it, before and after."""
        return self.before or ZERO, self.after or ZERO


class Page(NamedTuple):
    """A page of what was looked at. `stated`: how many have the cost that their sender said, which stays."""

    looked_at: int
    stated: int
    changes: list[Appraised]


async def count_observations(connection: "asyncpg.Connection[Any]", scope: Scope) -> int:
    """How many there are to look at."""
    return await connection.fetchval(QUERIES["count_of_model"], *scope)


async def appraise(
    connection: "asyncpg.Connection[Any]", scope: Scope, prices: PricesOfProject
) -> AsyncGenerator[Page]:
    """All observations of the scope, in the order of their starts."""
    after: tuple[datetime, str, str] = (scope.start, "", "")
    metadata_keys = [key for source, key in prices.attribute_keys if source == "metadata"]
    while True:
        rows: Sequence[asyncpg.Record] = await connection.fetch(
            QUERIES["next_of_model"], *scope, *after, PAGE_ROWS, metadata_keys
        )
        if not rows:
            return
        stated = sum(_is_stated(row) for row in rows)
        found = (_appraise_row(row, prices) for row in rows if not _is_stated(row))
        yield Page(len(rows), stated, [one for one in found if one is not None])
        last = rows[-1]
        after = (last["start_time"], last["id"], last["trace_id"])


def _appraise_row(row: asyncpg.Record, prices: PricesOfProject) -> Appraised | None:
    """None if it would cost the same."""
    state = _state_of(row)
    state.price(prices)
    priced = state.priced
    stored = _money_by_key(row["cost_details"])
    if row["model"] is None or (priced.total_cost, priced.cost_details) == (row["total_cost"], stored):
        return None
    return Appraised(
        trace_id=row["trace_id"],
        id=row["id"],
        start=row["start_time"],
        user_id=row["user_id"],
        label=state.place.model,
        is_counted=row["counted"],
        before=row["total_cost"],
        after=priced.total_cost,
        terms=prices.terms_at(row["model"], instant(state.start_us)),
    )


def _state_of(row: asyncpg.Record) -> ObservationState:
    """As much of the assembler's state as decides a price, without what an earlier repricing has said."""
    values: dict[str, Any] = {
        "model": row["model"],
        "model_parameters": row["model_parameters"],
        "start_time": row["start_us"],
        "unit": row["unit"],
        "usage_details": json.loads(row["usage_details"]),
    }
    metadata = None if row["metadata"] is None else Uniform(json.loads(row["metadata"]), _any_stamp)
    return ObservationState(
        project_id="",
        trace_id=row["trace_id"],
        id=row["id"],
        folded=Folded(values, {}, metadata),
        created_us=row["start_us"],
        updated_us=row["start_us"],
        day=_any_day,
    )


def _is_stated(row: asyncpg.Record) -> bool:
    provided = row["provided_cost_details"]
    return provided is not None and any(cost is not None for cost in _money_by_key(provided).values())


def _money_by_key(text: str) -> dict[str, Decimal | None]:
    loaded: object = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return cast("dict[str, Decimal | None]", loaded) if isinstance(loaded, dict) else {}
