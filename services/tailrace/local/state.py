"""What runs, as the supervisor wrote it down: `processes.json` in and out.

It serves `status` and `down`, and the next supervisor, which ends the orphans of one that was killed.
"""

from pathlib import Path
from typing import Literal

import msgspec

from tailrace.local import processes
from tailrace.local.datadir import write_file
from tailrace.local.processes import Identity

State = Literal["starting", "ready", "restarting", "stopping", "stopped"]


class ChildRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One child: `identity` is absent while none runs."""

    name: str
    state: State
    restarts: int = 0
    identity: Identity | None = None
    port: int | None = None
    probe_port: int | None = None


class StackRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The supervisor and its children, in the order in which they are stopped."""

    supervisor: Identity
    state: State
    children: tuple[ChildRecord, ...] = ()


def write_record(path: Path, record: StackRecord) -> None:
    write_file(path, msgspec.json.format(msgspec.json.encode(record)), mode=0o600)


def read_record(path: Path) -> StackRecord | None:
    """The last written record; None when there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=StackRecord)
    except (OSError, msgspec.DecodeError):
        return None


def end_orphans(record: StackRecord, *, timeout_seconds: float) -> list[str]:
    """End the children that outlived their supervisor, in their order; returns their names."""
    return [
        child.name
        for child in record.children
        if child.identity and processes.end(child.identity, timeout_seconds=timeout_seconds)
    ]
