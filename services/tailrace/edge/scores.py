"""The scores endpoints: one score from a browser or a script, or the list that newer SDKs send; and the deletion of one."""

from typing import Any, Final

from starlette.responses import Response

from tailrace.edge.answers import Refusal, json_answer, refuse
from tailrace.edge.endpoint import Call, Endpoint
from tailrace.edge.ingestion import MAX_JSON_BYTES, divide
from tailrace.wire.deletions import encode_deletions
from tailrace.wire.event_bodies import Issue
from tailrace.wire.events import EnvelopeError, Scores, decode_scores, encode_scores
from tailrace.wire.ids import MAX_ID_BYTES, is_usable_id
from tailrace.wire.lenient_json import clean_text


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


async def delete_score(call: Call) -> Response:
    """`DELETE /api/public/scores/{id}`: 202 once the log has it, whether or not there is such a score. The id stays deleted for good."""
    score_id = clean_text(call.request.path_params["id"])
    if not is_usable_id(score_id):
        raise refuse(400, f"expected the id of a score, of 1 to {MAX_ID_BYTES} bytes", "invalid_request")
    record = call.record("deletions", call.partition_of(score_id), encode_deletions([score_id]), 1)
    await call.publish([record])
    return json_answer({"message": "The score will be deleted"}, 202)


SCORES: Final = Endpoint("scores", "/api/public/scores", take_scores, access="scores")
DELETED_SCORE: Final = Endpoint("deleted-score", "/api/public/scores/{id:id}", delete_score, method="DELETE")


def _invalid(issues: list[Issue]) -> Refusal:
    body: dict[str, Any] = {"message": "Invalid request data", "error": [issue._asdict() for issue in issues]}
    return Refusal(400, body, "invalid_request")


def _answer_list(scores: Scores) -> Response:
    if not scores.errors:
        return json_answer({"message": "Accepted"}, 202)
    errors = [{"message": f"{error.id}: {error.error}"} for error in scores.errors]
    return json_answer({"accepted": len(scores.events), "rejected": len(errors), "errors": errors}, 207)
