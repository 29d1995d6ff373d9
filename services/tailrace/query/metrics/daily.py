"""GET /metrics/daily: the parameters in, one statement out; its rows, one for each day and model, in, the days of the answer out.

A day is a UTC day: of an observation's start, and of a trace's timestamp. What repeats others is counted as an observation, and not in
tokens and costs.
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

import asyncpg

from tailrace.query.endpoint import Call
from tailrace.query.json_text import embed_number
from tailrace.query.listing import page_meta
from tailrace.query.metrics.figures import embed_whole
from tailrace.query.metrics.statement import QUERIES
from tailrace.query.parameters import Page, instant, text, texts
from tailrace.query.sql import Where


def daily_statement(call: Call, asked: Page) -> tuple[str, list[Any]]:
    """The statement of a page of days, with its values. Raises InvalidRequestError."""
    where = Where("o", call.project_id)
    observations = _conditions(call, where, "o.start_time", "o.environment")
    traces = _conditions(call, where, "t.timestamp", "t.environment")
    sql = QUERIES["list_days"].format(
        observations=" and ".join((str(where), *observations)),
        traces=" and ".join(("t.project_id = $1", *traces)),
        limit=where.bind(asked.limit),
        offset=where.bind(asked.offset),
    )
    return sql, where.values


def daily_answer(found: Sequence[asyncpg.Record], asked: Page) -> dict[str, Any]:
    """The days with their models."""
    days = [_day(list(rows)) for _, rows in groupby(found, lambda row: row["day"])]
    total = found[0]["total"] if found else 0
    return {"data": days, "meta": page_meta(asked, total)}


def _conditions(call: Call, where: Where, time: str, environment: str) -> list[str]:
    query = call.query
    conditions: list[str] = []
    for column, operator, value in (
        (time, ">=", instant(query, "fromTimestamp")),
        (time, "<", instant(query, "toTimestamp")),
        ("t.name", "=", text(query, "traceName")),
        ("t.user_id", "=", text(query, "userId")),
        ("t.tags", "@>", texts(query, "tags") or None),
    ):
        if value is not None:
            conditions.append(f"{column} {operator} {where.bind(value)}")
    environments = texts(query, "environment")
    if environments:
        conditions.append(f"{environment} = any({where.bind(environments)}::text[])")
    return conditions


def _day(rows: list[asyncpg.Record]) -> dict[str, Any]:
    models = [row for row in rows if row["model"] is not None or row["cost"] or row["total_tokens"]]
    return {
        "date": rows[0]["day"].isoformat(),
        "countTraces": rows[0]["day_traces"],
        "countObservations": sum(row["observations"] for row in rows),
        "totalCost": embed_number(sum((row["cost"] for row in rows), Decimal(0))),
        "usage": [_model(row) for row in models],
    }


def _model(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "model": row["model"],
        "inputUsage": embed_whole(row["input_tokens"]),
        "outputUsage": embed_whole(row["output_tokens"]),
        "totalUsage": embed_whole(row["total_tokens"]),
        "countTraces": row["traces"],
        "countObservations": row["observations"],
        "totalCost": embed_number(row["cost"]),
    }
