"""The batch endpoint of older SDKs: each event is checked on its own, the good ones are forwarded as they came, divided by partition."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final

from starlette.responses import Response

from tailrace.edge.answers import Refusal, json_answer
from tailrace.edge.endpoint import Call, Endpoint
from tailrace.edge.publisher import RawRecord
from tailrace.wire.events import EnvelopeError, Event, EventError, decode_batch, encode_batch
from tailrace.wire.topics import RawKind

MAX_JSON_BYTES: Final = 4_718_592
"""4.5 MiB, what the SDKs keep their batches under."""


async def take_batch(call: Call) -> Response:
    """`POST /api/public/ingestion`: 207 with what became of each event, once the good ones are in the log."""
    body = await call.read(MAX_JSON_BYTES)
    try:
        batch = await call.run(len(body), decode_batch, body)
    except EnvelopeError as error:
        issues = [issue._asdict() for issue in error.issues]
        raise Refusal(400, {"message": "Invalid request data", "errors": issues}, "invalid_request") from None
    limited = call.sender.access != "full"
    allowed = [event for event in batch.events if event.kind == "score" or not limited]
    denied = [event for event in batch.events if event.kind != "score" and limited]
    await call.publish(divide(call, "ingestion", allowed, encode_batch))
    call.reject("invalid_event", len(batch.errors))
    call.reject("forbidden", len(denied))
    successes = [{"id": event.id, "status": 201} for event in allowed]
    errors = [*map(_invalid, batch.errors), *map(_denied, denied)]
    return json_answer({"successes": successes, "errors": errors}, 207)


def divide(
    call: Call, kind: RawKind, events: Iterable[Event], encode: Callable[[Iterable[Event]], bytes]
) -> list[RawRecord]:
    """One record for each partition that the events belong to."""
    groups: defaultdict[int, list[Event]] = defaultdict(list)
    for event in events:
        groups[call.partition_of(event.partition_id)].append(event)
    return [call.record(kind, partition, encode(group), len(group)) for partition, group in groups.items()]


INGESTION: Final = Endpoint("ingestion", "/api/public/ingestion", take_batch, access="scores", named_auth_errors=True)


def _invalid(error: EventError) -> dict[str, Any]:
    return {"id": error.id, "status": 400, "message": "Invalid request data", "error": error.error}


def _denied(event: Event) -> dict[str, Any]:
    reason = f"a public key alone may only create scores, got {event.type}"
    return {"id": event.id, "status": 401, "message": "Authentication error", "error": reason}
