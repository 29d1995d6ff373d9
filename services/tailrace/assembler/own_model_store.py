"""Own models as they are stored: rows of `model_versions` in, versions out, and up to when what was read is all that there is."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from tailrace.assembler.price_list import OwnModelsRead
from tailrace.core.own_models import EFFECTIVE_AFTER_US, MODEL_LOCK, ModelVersion, OwnTier
from tailrace.runtime.log import get_logger
from tailrace.runtime.postgres import load_queries

log = get_logger(__name__)

_tiers: Final = msgspec.json.Decoder(tuple[OwnTier, ...])


class OwnModelStore:
    """Reads own models of a database. `kept_days`: a version that was replaced longer ago prices no record of the log any more."""

    def __init__(self, pool: "asyncpg.Pool[Any]", *, kept_days: int) -> None:
        self._pool = pool
        self._kept_days = kept_days
        self._queries = load_queries(Path(__file__).with_name("queries.sql"))

    async def read(self, missing: Collection[str], held: Collection[str], after_version: int) -> OwnModelsRead:
        """As `OwnModelSource` says.

        A version's time is taken by its writer while it has the lock alone. Whoever has the lock together with other readers therefore
        sees every version whose time is past.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(self._queries["lock_own_models"], MODEL_LOCK)
            row = await connection.fetchrow(self._queries["find_changed_models"], after_version)
            assert row is not None
            changed = [project for project in row["changed"] if project in held]
            wanted = [*missing, *changed]
            found = await connection.fetch(self._queries["load_own_models"], wanted, self._kept_days) if wanted else ()
        versions: dict[str, list[ModelVersion]] = {project: [] for project in wanted}
        for one in found:
            version = _version_of(one)
            if version is not None:
                versions[version.project_id].append(version)
        # Less one: the next writer may still read the same microsecond of the clock.
        return OwnModelsRead(row["now_us"] + EFFECTIVE_AFTER_US - 1, row["last_version"], versions)


def _version_of(row: Any) -> ModelVersion | None:
    """None for a row that no release of this API wrote: one model without a price is better than a project without any."""
    try:
        version = msgspec.convert(
            {**dict(row), "tiers": _tiers.decode(row["tiers"])}, ModelVersion, builtin_types=(), strict=True
        )
    except msgspec.MsgspecError as error:
        log.warning("own_models.row.unusable", project=row["project_id"], model=row["id"], error=str(error))
        return None
    if sum(tier.is_default for tier in version.tiers) == 1:
        return version
    log.warning("own_models.row.unusable", project=row["project_id"], model=row["id"], error="no one default tier")
    return None
