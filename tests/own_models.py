"""Own models written as the API writes them, without an API."""

import asyncio
from typing import Any

import asyncpg
import msgspec
import orjson

from tailrace.core.own_models import EFFECTIVE_AFTER_US, MODEL_LOCK
from tailrace.query.model_requests import read_model
from tailrace.query.sql import statement


async def write_model(pool: asyncpg.Pool, id_: str = "m", *, project_id: str = "p", **values: Any) -> int:
    """Write a version of a model `ours` for `gpt-4o`, a unit of input at 1 USD.

    Returns the instant from which it holds, in microseconds, once that is past.
    """
    body: dict[str, Any] = {"modelName": "ours", "matchPattern": "(?i)^(gpt-4o)$", "inputPrice": 1} | values
    new = read_model(orjson.dumps(body))
    await pool.execute(
        statement("write_own_model"),
        project_id,
        id_,
        *new[:4],
        msgspec.json.encode(new.tiers).decode(),
        *new[5:],
        MODEL_LOCK,
        EFFECTIVE_AFTER_US,
    )
    await asyncio.sleep(EFFECTIVE_AFTER_US / 1_000_000)
    return await pool.fetchval(
        "select micros(effective_at) from model_versions where project_id = $1 and id = $2 order by version desc limit 1",
        project_id,
        id_,
    )
