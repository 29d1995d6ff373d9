"""Topic names, partitioning and the headers of raw records: what producers and consumers of the streams must agree on."""

import hashlib
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, cast, get_args

from tailrace.core.model import MAX_TIME_US, ProjectId

RawKind = Literal["otlp-protobuf", "otlp-json", "ingestion", "scores", "repricing", "deletions"]
RAW_KINDS: Final[frozenset[str]] = frozenset(get_args(RawKind))
RAW_VERSION: Final = 2
"""The latest version of raw records that this release reads."""

SCHEMA_VERSION: Final = 1
"""The version of the records between processes."""

_first_version: Final = 1
_version_of_kind: Final[Mapping[RawKind, int]] = {"repricing": 2, "deletions": 2}
MAX_PROJECT_CHARS: Final = 200
"""Twice what a project's id may have; more does not fit into an index."""
MAX_EVENTS: Final = 10_000_000
"""More than fit into the largest record."""


class Topics(NamedTuple):
    """The full topic names of one installation."""

    raw: str
    assembled: str
    cost_parts: str
    dead: str


def topics_of(prefix: str) -> Topics:
    """The topics under a prefix such as `tailrace.`."""
    return Topics(
        raw=f"{prefix}observations.raw",
        assembled=f"{prefix}observations.assembled",
        cost_parts=f"{prefix}cost.parts",
        dead=f"{prefix}observations.dead",
    )


def version_of(kind: RawKind) -> int:
    """The version in which raw records of a kind are written: the one that brought the kind."""
    return _version_of_kind.get(kind, _first_version)


class RawHeaders(NamedTuple):
    """What the edge states about a raw record, in Kafka headers, so that no one must parse the body to count it.

    `events`: how many spans, batch events, scores or deletions the body holds; a repricing is one. `received_at_us`: microseconds since 1970, UTC.
    """

    kind: RawKind
    project_id: ProjectId
    received_at_us: int
    events: int
    sdk_name: str = ""
    sdk_version: str = ""

    def encode(self) -> list[tuple[str, bytes]]:
        return [
            ("v", b"%d" % version_of(self.kind)),
            ("kind", self.kind.encode()),
            ("project", self.project_id.encode()),
            ("received", b"%d" % self.received_at_us),
            ("events", b"%d" % self.events),
            ("sdk", f"{self.sdk_name}/{self.sdk_version}".encode()),
        ]


def fingerprint_of(headers: Mapping[str, bytes], value: bytes) -> str:
    """A digest of what an edge wrote: the identity of a log at an offset."""
    digest = hashlib.blake2b(value, digest_size=16)
    digest.update(headers.get("received", b"") + headers.get("project", b""))
    return digest.hexdigest()


class BadHeadersError(ValueError):
    """The headers of a raw record are not the ones that an edge writes."""


class NewerHeadersError(BadHeadersError):
    """A raw record is of a later version than this release reads: it is for a later release's process to take."""


def decode_raw_headers(headers: Mapping[str, bytes]) -> RawHeaders:
    """Read the headers of a raw record. Raises BadHeadersError, and NewerHeadersError of a later version, whatever else they state."""
    _check_version(headers)
    try:
        version, kind = int(headers["v"]), headers["kind"].decode()
        project_id = ProjectId(headers["project"].decode())
        received, events = int(headers["received"]), int(headers["events"])
        sdk_name, _, sdk_version = headers.get("sdk", b"").decode(errors="replace").rpartition("/")
    except (KeyError, ValueError) as error:
        raise BadHeadersError(f"expected the headers v, kind, project, received and events, got {error!r}") from None
    if "\x00" in project_id or len(project_id) > MAX_PROJECT_CHARS:
        raise BadHeadersError(
            f"expected a project of up to {MAX_PROJECT_CHARS} characters without U+0000, got {project_id[:MAX_PROJECT_CHARS]!r}"
        )
    if not 0 <= received <= MAX_TIME_US or not 0 <= events <= MAX_EVENTS:
        raise BadHeadersError(f"expected a time of receipt up to the year 9999 and a count of events, got {headers}")
    if kind not in RAW_KINDS:
        raise BadHeadersError(f"expected a record of a known kind, got version {version} and {kind!r}")
    return RawHeaders(cast("RawKind", kind), project_id, received, events, sdk_name, sdk_version)


def headers_of_unreadable(headers: Mapping[str, bytes]) -> RawHeaders:
    """What is taken for the headers of a record that no edge has written: one event of the project that it names, or of project ""."""
    project = headers.get("project", b"").decode(errors="replace").replace("\x00", "")
    return RawHeaders("ingestion", ProjectId(project[:MAX_PROJECT_CHARS]), 0, 1)


def count_events(headers: Mapping[str, bytes]) -> tuple[ProjectId, int]:
    """Whose events a raw record holds, and how many: what its headers state, else what is taken for it.

    These headers mean the same in every version, so that a later release's records are counted alike.
    """
    try:
        stated = decode_raw_headers(headers)
    except NewerHeadersError:
        return count_events({**headers, "v": b"%d" % _first_version, "kind": b"ingestion"})
    except BadHeadersError:
        stated = headers_of_unreadable(headers)
    return stated.project_id, stated.events


def _check_version(headers: Mapping[str, bytes]) -> None:
    version = headers.get("v", b"")
    if version.isdigit() and len(version) < 10 and int(version) > RAW_VERSION:
        raise NewerHeadersError(
            f"expected a raw record of version {RAW_VERSION} or less, got one of version {int(version)}: a later release wrote it"
        )


def partition_of(project_id: str, entity_id: str, partitions: int) -> int:
    """The partition of a trace (by its id) or of a score (by its id) of a project; stable over releases."""
    digest = hashlib.blake2b(f"{project_id}\x00{entity_id}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % partitions
