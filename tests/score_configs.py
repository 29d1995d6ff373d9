"""Score configs written as the API writes them, without an API."""

from typing import Any

import asyncpg
import orjson

from tailrace.core.score_configs import CONFIG_EFFECTIVE_AFTER_US, CONFIG_LOCK
from tailrace.query.score_config_requests import NewConfig, read_config
from tailrace.query.sql import statement


async def write_config(pool: asyncpg.Pool, id_: str = "c", *, project_id: str = "p", **values: Any) -> int:
    """Write the first version of a config, of numbers unless told; returns the instant from which it holds, in microseconds."""
    config = read_config(orjson.dumps({"name": "quality", "dataType": "NUMERIC"} | values))
    return await _write(pool, project_id, id_, None, config)


async def archive_config(pool: asyncpg.Pool, id_: str = "c", *, project_id: str = "p") -> int:
    """Write a version of a config of numbers that is archived; returns the instant from which it holds."""
    version = await pool.fetchval("select max(version) from score_config_versions where id = $1", id_)
    config = NewConfig("quality", "NUMERIC", None, None, None, None, is_archived=True)
    return await _write(pool, project_id, id_, version, config)


async def _write(pool: asyncpg.Pool, project_id: str, id_: str, after: int | None, config: NewConfig) -> int:
    written = await pool.fetchrow(
        statement("write_score_config"),
        project_id,
        id_,
        after,
        *config[:4],
        config.stored_categories(),
        *config[5:],
        CONFIG_LOCK,
        CONFIG_EFFECTIVE_AFTER_US,
    )
    assert written is not None
    return await pool.fetchval(
        "select micros(effective_at) from score_config_versions where version = $1", written["version"]
    )
