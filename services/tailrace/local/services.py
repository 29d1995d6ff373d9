"""tailrace's own processes on one machine: settings in, the programs to supervise out."""

import sys
from pathlib import Path

import msgspec

from tailrace.local.child import Program, plain_environment
from tailrace.local.datadir import DataDir
from tailrace.local.ports import free_port, get_http
from tailrace.runtime.durability import RISKS
from tailrace.runtime.settings import Settings, environment_of

SERVICES = ("serve", "assembler", "meter", "sink", "auditor")
"""In the order in which events flow, which is the order in which they are stopped."""

_spare_seconds = 5


def service_programs(settings: Settings, data: DataDir, names: tuple[str, ...] = SERVICES) -> list[Program]:
    """The services, each with a free probe port of its own."""
    return [_program(name, settings, data) for name in names]


def _program(name: str, settings: Settings, data: DataDir) -> Program:
    probe_port = free_port()
    process = msgspec.structs.replace(
        settings.process,
        probe_port=probe_port,
        # One host is one disk; whoever runs this knows.
        accepted_risks=settings.process.accepted_risks or ",".join(RISKS),
    )
    environment = environment_of(msgspec.structs.replace(settings, process=process))
    return Program(
        name=name,
        command=[sys.executable, "-m", "tailrace", name],
        folder=Path.cwd(),
        environment=plain_environment() | environment,
        log=data.log(name),
        port=settings.process.http_port if name == "serve" else None,
        probe_port=probe_port,
        stop_seconds=settings.process.drain_seconds + _spare_seconds,
        why_not_ready=lambda: why_not_ready(probe_port),
        why_not_live=lambda: why_not_live(probe_port),
    )


class _Readiness(msgspec.Struct, frozen=True):
    ready: bool = False
    reasons: dict[str, str] = {}


async def why_not_ready(probe_port: int) -> str | None:
    """What the /readyz of a process says; None when it is ready."""
    try:
        status, body = await get_http(probe_port, "/readyz")
    except OSError as error:
        return str(error)
    if status == 200:
        return None
    try:
        reasons = msgspec.json.decode(body, type=_Readiness).reasons
    except msgspec.DecodeError:
        return f"/readyz answers {status}"
    return "; ".join(f"{part}: {reason}" for part, reason in reasons.items())


class _Liveness(msgspec.Struct, frozen=True):
    stalled: list[str] = []


async def why_not_live(probe_port: int) -> str | None:
    """What the /livez of a process says, or that it does not answer; None when it is live."""
    try:
        status, body = await get_http(probe_port, "/livez")
    except OSError as error:
        return str(error)
    if status == 200:
        return None
    try:
        stalled = msgspec.json.decode(body, type=_Liveness).stalled
    except msgspec.DecodeError:
        return f"/livez answers {status}"
    return f"no progress of {', '.join(stalled)}"


async def read_lag(probe_port: int) -> int | None:
    """Records between the log's end and the applied position, over all partitions of a process; None if it has no such metric."""
    try:
        _, body = await get_http(probe_port, "/metrics")
    except OSError:
        return None
    values = [
        float(line.rsplit(" ", 1)[1]) for line in body.splitlines() if line.startswith("tailrace_consumer_lag_records{")
    ]
    return round(sum(values)) if values else None
