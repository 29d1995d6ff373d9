"""Traces as JSON: rows in, the objects of the public API (v1) and of our own out. No reads, no clock."""

from collections.abc import Sequence
from typing import Any

from tailrace.query.json_text import embed_instant, embed_money, embed_number, embed_object, embed_text, seconds
from tailrace.query.rows import SessionRead, TraceBody, TraceRead

TRACE_GROUPS = ("core", "io", "scores", "observations", "metrics")


def trace_core(project_id: str, trace: TraceRead) -> dict[str, Any]:
    """What every form of a v1 trace has."""
    return {
        "id": trace.id,
        "projectId": project_id,
        "timestamp": embed_instant(trace.timestamp),
        "name": trace.name,
        "userId": trace.user_id,
        "sessionId": trace.session_id,
        "release": trace.release,
        "version": trace.version,
        "environment": trace.environment,
        "public": trace.public,
        "bookmarked": trace.bookmarked,
        "tags": trace.tags,
        "externalId": trace.external_id,
        "createdAt": embed_instant(trace.created_at),
        "updatedAt": embed_instant(trace.updated_at),
    }


def trace_io(body: TraceBody | None) -> dict[str, Any]:
    """The large texts of a v1 trace; without a body the empty values that clients expect of a group left out."""
    if body is None:
        return {"input": None, "output": None, "metadata": {}}
    return {
        "input": embed_text(body.input),
        "output": embed_text(body.output),
        "metadata": embed_object(body.metadata),
    }


def trace_v1(
    project_id: str,
    trace: TraceRead,
    body: TraceBody | None,
    groups: frozenset[str],
    *,
    observations: Sequence[Any],
    scores: Sequence[Any],
) -> dict[str, Any]:
    """A trace of `/traces`: ids of observations and scores in a list, whole objects in a single trace."""
    with_metrics = "metrics" in groups
    return {
        **trace_core(project_id, trace),
        **trace_io(body),
        "htmlPath": f"/project/{project_id}/traces/{trace.id}",
        "latency": _latency(trace) if with_metrics else -1,
        "totalCost": (0 if trace.total_cost is None else embed_number(trace.total_cost)) if with_metrics else -1,
        "observations": observations,
        "scores": scores,
    }


def trace_of_tree(project_id: str, trace: TraceRead, body: TraceBody | None) -> dict[str, Any]:
    """The trace above its tree, in our own API: money as strings, bodies only where asked for."""
    return {
        **trace_core(project_id, trace),
        **({} if body is None else trace_io(body)),
        "latency": _latency(trace),
        "totalCost": embed_money(trace.total_cost),
        "totalTokens": trace.total_tokens,
        "observationCount": trace.observation_count,
        "errorCount": trace.error_count,
        "lastReceivedAt": embed_instant(trace.last_received_at),
    }


def session_v1(project_id: str, session: SessionRead) -> dict[str, Any]:
    """A session of a list."""
    return {
        "id": session.id,
        "createdAt": embed_instant(session.created_at),
        "projectId": project_id,
        "environment": session.environment,
    }


def _latency(trace: TraceRead) -> float:
    if trace.first_start is None or trace.last_end is None:
        return 0
    return seconds(trace.last_end - trace.first_start) or 0
