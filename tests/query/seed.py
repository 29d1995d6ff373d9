"""Rows for the read API, as the sink would write them: each factory has defaults for all that a test does not speak of."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from tailrace.runtime.keys import hash_secret

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET_KEY = "sk-lf-reader-000000000000"


def basic(public_key: str) -> dict[str, str]:
    """The header of full access."""
    return {"Authorization": "Basic " + base64.b64encode(f"{public_key}:{SECRET_KEY}".encode()).decode()}


def after(**duration: float) -> datetime:
    """A moment so long after noon."""
    return NOON + timedelta(**duration)


class Seed:
    """Writes rows of one project."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection
        self.project_id = f"p-{uuid.uuid4().hex[:12]}"
        self.public_key = f"pk-lf-{self.project_id}"

    async def project(self, **values: Any) -> None:
        """The project with its organisation and a key."""
        await self._connection.execute(
            "insert into organizations (id, name) values ('o1', 'Orga') on conflict do nothing"
        )
        await self.insert("projects", {"organization_id": "o1", "name": "Project"} | values)
        salt = b"salt"
        key = {
            "id": self.public_key,
            "public_key": self.public_key,
            "secret_salt": salt,
            "display_secret_key": "sk-lf-…0000",
        }
        await self.insert("api_keys", key | {"secret_hash": hash_secret(SECRET_KEY, salt)})

    async def trace(self, id_: str, **values: Any) -> None:
        """A trace, with a body if input, output or metadata are given."""
        body = {name: values.pop(name) for name in ("input", "output", "metadata") if name in values}
        at = values.get("timestamp", NOON)
        times = {"timestamp": at, "last_received_at": at, "created_at": at, "updated_at": at}
        await self.insert("traces", {"id": id_, "partition": 0, "stamps": "{}"} | times | values)
        if body:
            await self.insert("trace_bodies", {"trace_id": id_} | body)

    async def observation(self, id_: str, trace_id: str, **values: Any) -> None:
        """An observation, with a body if input, output or metadata are given; its trace learns the day."""
        body = {name: values.pop(name) for name in ("input", "output", "metadata") if name in values}
        start = values.get("start_time", NOON)
        row: dict[str, Any] = {"id": id_, "trace_id": trace_id, "day": start.date(), "partition": 0, "type": "SPAN"}
        row |= {"start_time": start, "stamps": "{}", "created_at": start, "updated_at": start} | values
        await self.insert("observations", row)
        if body:
            await self.insert("observation_bodies", {"id": id_, "trace_id": trace_id, "day": row["day"]} | body)
        await self._connection.execute(
            """update traces set days = array(select distinct unnest(days || $3::date)), observation_count = observation_count + 1
               where project_id = $1 and id = $2""",
            self.project_id,
            trace_id,
            row["day"],
        )

    async def score(self, id_: str, **values: Any) -> None:
        """A numeric score of 1."""
        at = values.get("timestamp", NOON)
        row: dict[str, Any] = {"id": id_, "partition": 0, "name": "quality", "data_type": "NUMERIC", "value": 1.0}
        row |= {"timestamp": at, "stamps": "{}", "created_at": at, "updated_at": at}
        await self.insert("scores", row | values)

    async def session(self, id_: str, **values: Any) -> None:
        """What one partition knows of a session."""
        await self.insert("sessions", {"id": id_, "partition": 0, "created_at": NOON, "last_seen_at": NOON} | values)

    async def user(self, id_: str, **values: Any) -> None:
        """What one partition knows of a user."""
        await self.insert("users", {"id": id_, "partition": 0, "first_seen_at": NOON, "last_seen_at": NOON} | values)

    async def cost(self, user_id: str | None, at: datetime, **values: Any) -> None:
        """The minute, hour and day parts of one contribution."""
        figures = ("cost", "input_tokens", "output_tokens", "total_tokens", "generations", "errors", "traces")
        for bucket in ("minute", "hour", "day"):
            row: dict[str, Any] = {"user_id": user_id, "model": None, "bucket": bucket, "partition": 0}
            row |= {"epoch": 1, "origin": 1} | dict.fromkeys(figures, 0) | values
            keys = ", ".join(["project_id", *row, "bucket_start"])
            places = ", ".join(f"${n}" for n in range(1, len(row) + 2))
            sums = ", ".join(f"{name} = cost_parts.{name} + excluded.{name}" for name in figures)
            await self._connection.execute(
                f"""insert into cost_parts ({keys}) values ({places}, date_trunc('{bucket}', ${len(row) + 2}::timestamptz, 'UTC'))
                    on conflict on constraint cost_parts_key do update set {sums}""",
                self.project_id,
                *row.values(),
                at,
            )

    async def insert(self, table: str, row: dict[str, Any]) -> None:
        """One row; dicts and lists of JSON columns are written as text by the caller or here."""
        row = {"project_id": self.project_id} | {name: _plain(value) for name, value in row.items()}
        places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        await self._connection.execute(f"insert into {table} ({', '.join(row)}) values ({places})", *row.values())


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value
