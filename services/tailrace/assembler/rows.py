"""The assembler's state as rows of an assembled record: defaults filled in, money as Decimal, JSON as text."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

from tailrace.assembler.entities import ObservationState, ScoreState, Sighting, TraceState, instant
from tailrace.assembler.hydration import contributions_to_json
from tailrace.core.contributions import Amounts, PartKey
from tailrace.core.merge import EntityKind, Folded
from tailrace.core.metadata import read_metadata
from tailrace.core.money import money_text
from tailrace.core.stamps import dump_stamps
from tailrace.wire.records import (
    CostPart,
    ObservationBodyRow,
    ObservationRow,
    ScoreRow,
    SessionRow,
    TraceBodyRow,
    TraceRow,
    UserRow,
)


def observation_row(state: ObservationState) -> ObservationRow:
    """The row of an observation."""
    values = state.folded.values
    priced = state.priced
    provided = values.get("provided_cost_details")
    usage = state.usage
    sums = state.sums
    return ObservationRow(
        project_id=state.project_id,
        day=state.day,
        trace_id=state.trace_id,
        id=state.id,
        type=values.get("type") or "SPAN",
        name=values.get("name"),
        parent_observation_id=values.get("parent_observation_id"),
        start_time=instant(state.start_us),
        end_time=_instant(state.end_us),
        completion_start_time=_instant(values.get("completion_start_time")),
        environment=values.get("environment") or "default",
        level=values.get("level") or "DEFAULT",
        status_message=values.get("status_message"),
        version=values.get("version"),
        is_root=bool(values.get("is_root")),
        is_app_root=bool(values.get("is_app_root")),
        model=values.get("model"),
        model_id=priced.model_id,
        model_parameters=values.get("model_parameters"),
        usage_details=_json_text(usage) if usage else "{}",
        provided_cost_details=None if provided is None else _money_object(provided),
        cost_details=_money_object(priced.cost_details) if priced.cost_details else "{}",
        unit=values.get("unit"),
        input_tokens=sums.input,
        output_tokens=sums.output,
        total_tokens=sums.total,
        total_cost=priced.total_cost,
        input_price=priced.input_price,
        output_price=priced.output_price,
        price_version=priced.price_version,
        pricing_tier=priced.tier,
        counted=not state.is_repeat,
        prompt_name=values.get("prompt_name"),
        prompt_version=values.get("prompt_version"),
        experiment_id=values.get("experiment_id"),
        experiment_name=values.get("experiment_name"),
        experiment_dataset_id=values.get("experiment_dataset_id"),
        experiment_item_id=values.get("experiment_item_id"),
        experiment=values.get("experiment"),
        warnings=_warnings(state),
        stamps=_observation_stamps(state),
        created_at=instant(state.created_us),
        updated_at=instant(state.updated_us),
    )


def observation_body_row(state: ObservationState) -> ObservationBodyRow:
    """The large texts of an observation."""
    values = state.folded.values
    return ObservationBodyRow(
        project_id=state.project_id,
        day=state.day,
        trace_id=state.trace_id,
        id=state.id,
        input=values.get("input"),
        output=values.get("output"),
        metadata=_metadata_text(state.folded),
    )


def trace_row(state: TraceState) -> TraceRow:
    """The row of a trace with its roll-up."""
    values = state.folded.values
    totals = state.totals()
    return TraceRow(
        project_id=state.project_id,
        id=state.id,
        timestamp=instant(state.timestamp_us),
        name=values.get("name"),
        user_id=state.user_id,
        session_id=state.session_id,
        release=values.get("release"),
        version=values.get("version"),
        environment=state.environment,
        public=bool(values.get("public")),
        tags=values.get("tags") or [],
        external_id=values.get("external_id"),
        observation_count=state.observation_count,
        error_count=totals.errors,
        input_tokens=totals.input_tokens,
        output_tokens=totals.output_tokens,
        total_tokens=totals.total_tokens,
        total_cost=totals.cost,
        first_start=_instant(state.first_start_us),
        last_end=_instant(state.last_end_us),
        root_ended=state.ended_roots > 0,
        ended_roots=state.ended_roots,
        amended=state.amended,
        days=sorted(state.days),
        contributions=contributions_to_json(state.contributions),
        warnings=values.get("warnings") or [],
        stamps=_stamps_text(state.folded, "trace", _hidden_times(state)),
        last_received_at=instant(state.last_received_us),
        created_at=instant(state.created_us),
        updated_at=instant(state.updated_us),
    )


def trace_body_row(state: TraceState) -> TraceBodyRow:
    """The large texts of a trace."""
    values = state.folded.values
    return TraceBodyRow(
        project_id=state.project_id,
        trace_id=state.id,
        input=values.get("input"),
        output=values.get("output"),
        metadata=_metadata_text(state.folded),
    )


def score_row(state: ScoreState) -> ScoreRow:
    """The row of a score."""
    values = state.folded.values
    timestamp = values.get("timestamp")
    if state.is_deleted:
        return _deleted_score_row(state)
    return ScoreRow(
        project_id=state.project_id,
        id=state.id,
        timestamp=instant(state.created_us if timestamp is None else timestamp),
        name=values.get("name") or "",
        data_type=values.get("data_type") or "NUMERIC",
        value=values.get("value") or 0,
        string_value=values.get("string_value"),
        long_string_value=values.get("long_string_value"),
        source=values.get("source") or "API",
        comment=values.get("comment"),
        metadata=_metadata_text(state.folded),
        trace_id=values.get("trace_id"),
        observation_id=values.get("observation_id"),
        session_id=values.get("session_id"),
        dataset_run_id=values.get("dataset_run_id"),
        environment=values.get("environment") or "default",
        config_id=values.get("config_id"),
        queue_id=values.get("queue_id"),
        author_user_id=values.get("author_user_id"),
        stamps=_stamps_text(state.folded, "score", {}),
        created_at=instant(state.created_us),
        updated_at=instant(state.updated_us),
    )


def _deleted_score_row(state: ScoreState) -> ScoreRow:
    """What is kept of a deleted score: that its id was deleted."""
    return ScoreRow(
        project_id=state.project_id,
        id=state.id,
        timestamp=instant(state.created_us),
        name="",
        data_type="",
        value=0,
        string_value=None,
        long_string_value=None,
        source="",
        comment=None,
        metadata=None,
        trace_id=None,
        observation_id=None,
        session_id=None,
        dataset_run_id=None,
        environment="",
        config_id=None,
        queue_id=None,
        author_user_id=None,
        stamps=_stamps_text(state.folded, "score", {}),
        created_at=instant(state.created_us),
        updated_at=instant(state.updated_us),
        deleted=True,
    )


def session_row(project_id: str, session_id: str, sighting: Sighting) -> SessionRow:
    """What this partition knows of a session."""
    return SessionRow(
        project_id=project_id,
        id=session_id,
        created_at=instant(sighting.first_us),
        last_seen_at=instant(sighting.last_us),
        environment=sighting.environment,
    )


def user_row(project_id: str, user_id: str, sighting: Sighting) -> UserRow:
    """What this partition knows of an end user."""
    return UserRow(
        project_id=project_id,
        id=user_id,
        first_seen_at=instant(sighting.first_us),
        last_seen_at=instant(sighting.last_us),
    )


def cost_part(key: PartKey, amounts: Amounts) -> CostPart:
    """The part as it stands."""
    return CostPart(
        project_id=key.project_id,
        user_id=key.user_id,
        model=key.model,
        bucket=key.bucket,
        bucket_start=instant(key.start_us),
        **amounts._asdict(),
    )


def _instant(at_us: int | None) -> Any:
    return None if at_us is None else instant(at_us)


def _money_object(money: dict[str, Any]) -> str:
    """A JSON object whose numbers are the exact decimals."""
    return "{" + ",".join(f"{_json_text(key)}:{money_text(amount)}" for key, amount in money.items()) + "}"


def _stamps_text(folded: Folded, kind: EntityKind, hidden: Mapping[str, Any]) -> str:
    return orjson.dumps(dump_stamps(folded, kind, hidden)).decode()


def _warnings(state: ObservationState) -> list[str]:
    told: list[str] = state.folded.values.get("warnings") or []
    estimate = state.shown_estimate
    return told if estimate is None else sorted({*told, estimate.warning})


def _observation_stamps(state: ObservationState) -> str:
    """The stamps, and with which vocabulary a usage was estimated that is shown."""
    dumped = dump_stamps(state.folded, "observation", _hidden(state))
    if state.shown_estimate is not None:
        dumped["e"] = state.shown_estimate.question.vocabulary
    return orjson.dumps(dumped).decode()


def _hidden(state: ObservationState) -> dict[str, Any]:
    """The end as it was sent, where the row shows the start instead; what the convention says, where the row alone does not tell it; and
    the price terms of a repricing. Where the row shows an estimate, the warnings without its own.
    """
    hidden: dict[str, Any] = {}
    end: int | None = state.folded.values.get("end_time")
    if end is not None and end < state.start_us:
        hidden["end_time"] = end
    if state.is_repeat or state.is_declared_repeat:
        hidden["uncounted"] = state.is_declared_repeat
    if "price_terms" in state.folded.values:
        hidden["price_terms"] = state.folded.values["price_terms"]
    if state.shown_estimate is not None:
        hidden["warnings"] = state.folded.values.get("warnings") or []
    return hidden


def _hidden_times(state: TraceState) -> dict[str, int]:
    """Both times of which the row shows one."""
    values = state.folded.values
    return {field: values[field] for field in ("timestamp", "earliest") if field in values}


def _metadata_text(folded: Folded) -> str | None:
    return None if folded.metadata is None else _json_text(read_metadata(folded.metadata))


def _json_text(value: Any) -> str:
    """JSON of any depth and of integers of any size, which orjson refuses."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
