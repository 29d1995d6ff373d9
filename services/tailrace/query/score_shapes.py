"""Scores as JSON: rows in, the objects of the public API (v1, v2, v3) out. No reads, no clock."""

from typing import Any, Final

from tailrace.query.json_text import embed_instant, embed_object
from tailrace.query.rows import ScoreRead

V2_GROUPS = ("score", "trace")
V3_GROUPS = ("core", "details", "subject", "annotation")
_NO_TRACE: Final[dict[str, Any]] = {"userId": None, "tags": [], "environment": None, "sessionId": None}


def score_v1(score: ScoreRead) -> dict[str, Any]:
    """A score of v1 and v2, and of a single trace. `stringValue` only where the type has one: clients require its absence of numbers."""
    shape: dict[str, Any] = {
        "id": score.id,
        "traceId": score.trace_id,
        "sessionId": score.session_id,
        "observationId": score.observation_id,
        "datasetRunId": score.dataset_run_id,
        "name": score.name,
        "value": score.value,
        "dataType": score.data_type,
        "source": score.source,
        "timestamp": embed_instant(score.timestamp),
        "createdAt": embed_instant(score.created_at),
        "updatedAt": embed_instant(score.updated_at),
        "authorUserId": score.author_user_id,
        "comment": score.comment,
        "metadata": embed_object(score.metadata),
        "configId": score.config_id,
        "queueId": score.queue_id,
        "environment": score.environment,
    }
    if score.data_type != "NUMERIC":
        shape["stringValue"] = _text_value(score)
    return shape


def score_in_list_v1(score: ScoreRead) -> dict[str, Any]:
    """A score of a v1 list. Its clients insist on a trace, also where that is still on its way."""
    return score_v1(score) | {"trace": _trace(score) or _NO_TRACE}


def score_in_list(score: ScoreRead, groups: frozenset[str]) -> dict[str, Any]:
    """A score of a v2 list, with its trace, null if there is none, unless that is left out."""
    return score_v1(score) | ({"trace": _trace(score)} if "trace" in groups else {})


def score_v3(project_id: str, score: ScoreRead, groups: frozenset[str]) -> dict[str, Any]:
    """A v3 score: its value in the type that `dataType` says."""
    shape: dict[str, Any] = {
        "id": score.id,
        "projectId": project_id,
        "name": score.name,
        "value": _typed_value(score),
        "dataType": score.data_type,
        "source": score.source,
        "timestamp": embed_instant(score.timestamp),
        "environment": score.environment,
        "createdAt": embed_instant(score.created_at),
        "updatedAt": embed_instant(score.updated_at),
    }
    if "details" in groups:
        shape |= {"comment": score.comment, "configId": score.config_id, "metadata": embed_object(score.metadata)}
    if "subject" in groups:
        shape["subject"] = _subject(score)
    if "annotation" in groups:
        shape |= {"authorUserId": score.author_user_id, "queueId": score.queue_id}
    return shape


def _trace(score: ScoreRead) -> dict[str, Any] | None:
    if score.found_trace_id is None:
        return None
    return {
        "userId": score.user_id,
        "tags": score.tags,
        "environment": score.trace_environment,
        "sessionId": score.trace_session_id,
    }


def _typed_value(score: ScoreRead) -> float | bool | str:
    if score.data_type == "NUMERIC":
        return score.value
    return score.value == 1 if score.data_type == "BOOLEAN" else _text_value(score)


def _text_value(score: ScoreRead) -> str:
    return score.long_string_value or score.string_value or ""


def _subject(score: ScoreRead) -> dict[str, Any] | None:
    if score.observation_id is not None:
        return {"kind": "observation", "id": score.observation_id, "traceId": score.trace_id}
    kinds = {"trace": score.trace_id, "session": score.session_id, "experiment": score.dataset_run_id}
    return next(({"kind": kind, "id": id_} for kind, id_ in kinds.items() if id_ is not None), None)
