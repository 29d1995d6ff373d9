"""The scores endpoint: one score from a browser or a script, or the list that newer SDKs send."""

from typing import Any, Final

from starlette.responses import Response

from tailrace.edge.answers import Refusal, json_answer
from tailrace.edge.endpoint import Call, Endpoint
from tailrace.edge.ingestion import MAX_JSON_BYTES, divide
from tailrace.wire.event_bodies import Issue
from tailrace.wire.events import EnvelopeError, Scores, decode_scores, encode_scores


async def take_scores(call: Call) -> Response:
    """`POST /api/public/scores`: 200 with the id of one; of a list 202, or 207 when some are refused. All once the good ones are in the log."""
    body = await call.read(MAX_JSON_BYTES)
    try:
        scores = await call.run(len(body), decode_scores, body)
    except EnvelopeError as error:
        raise _invalid(error.issues) from None
    if not scores.is_list and scores.errors:
        raise _invalid(scores.errors[0].issues)
    await call.publish(divide(call, "scores", scores.events, encode_scores))
    call.reject("invalid_event", len(scores.errors))
    return _answer_list(scores) if scores.is_list else json_answer({"id": scores.events[0].entity_id})


SCORES: Final = Endpoint("scores", "/api/public/scores", take_scores, access="scores")


def _invalid(issues: list[Issue]) -> Refusal:
    body: dict[str, Any] = {"message": "Invalid request data", "error": [issue._asdict() for issue in issues]}
    return Refusal(400, body, "invalid_request")


def _answer_list(scores: Scores) -> Response:
    if not scores.errors:
        return json_answer({"message": "Accepted"}, 202)
    errors = [{"message": f"{error.id}: {error.error}"} for error in scores.errors]
    return json_answer({"accepted": len(scores.events), "rejected": len(errors), "errors": errors}, 207)
