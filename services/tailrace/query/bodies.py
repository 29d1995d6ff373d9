"""The large texts of a page: fetched apart from what lists and filters read, and only if all of them fit into one answer."""

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple, Protocol

from tailrace.query.database import Reader
from tailrace.query.errors import TooMuchError
from tailrace.query.rows import ObservationBody, TraceBody
from tailrace.query.sql import statement

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""Input, output and metadata in one answer; the largest single observation fits four times."""

_size_of_traces: Final = statement("size_trace_bodies")
_load_of_traces: Final = statement("load_trace_bodies")
_size_of_observations: Final = statement("size_observation_bodies")
_load_of_observations: Final = statement("load_observation_bodies")


class Located(Protocol):
    """An observation, and the day of the partition that it lies in."""

    @property
    def day(self) -> date: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def id(self) -> str: ...


class Location(NamedTuple):
    """Where an observation lies."""

    day: date
    trace_id: str
    id: str


async def trace_bodies(reader: Reader, project_id: str, ids: Sequence[str]) -> dict[str, TraceBody]:
    """The bodies of these traces, by id. Raises TooMuchError."""
    values = (project_id, list(ids))
    _check_size(await reader.whole_number(_size_of_traces, values))
    return {body.trace_id: body for body in await reader.rows(TraceBody, _load_of_traces, values)}


async def observation_bodies(
    reader: Reader, project_id: str, observations: Sequence[Located], *, with_io: bool = True
) -> dict[tuple[str, str], ObservationBody]:
    """The bodies of these observations, by (trace id, id); only their metadata unless `with_io`. Raises TooMuchError."""
    if not observations:
        return {}
    days = [one.day for one in observations]
    traces = [one.trace_id for one in observations]
    ids = [one.id for one in observations]
    values = (project_id, days, traces, ids, min(days), max(days), with_io)
    _check_size(await reader.whole_number(_size_of_observations, values))
    found = await reader.rows(ObservationBody, _load_of_observations, values)
    return {(body.trace_id, body.id): body for body in found}


def _check_size(size_bytes: int) -> None:
    if size_bytes > MAX_ANSWER_BYTES:
        raise TooMuchError(
            f"the answer would hold {size_bytes / 2**20:.0f} MiB of input, output and metadata, more than "
            f"{MAX_ANSWER_BYTES // 2**20} MiB: lower `limit`, or leave io out of `fields`"
        )
