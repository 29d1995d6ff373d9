"""LiveKit Agents (`lk.*`): spans known by their names, and what was heard and said. Calls of models it tells as OpenTelemetry does.

Source: `livekit-agents` 1.8, `telemetry/trace_types.py`. Names of content had no `pii` in them before that version.
"""

from typing import Final

from tailrace.assembler.mapping.bodies import Bodies, first_of
from tailrace.wire.otlp import SpanData

CONVENTION: Final = "LiveKit Agents"
SCOPE: Final = "livekit-agents"

INPUTS: Final = (
    "lk.input_text",
    "lk.user_transcript",
    "lk.chat_ctx",
    "lk.function_tool.arguments",
    "lk.user_input",
    "lk.pii.input_text",
    "lk.pii.user_transcript",
    "lk.pii.chat_ctx",
    "lk.pii.function_tool.arguments",
    "lk.pii.user_input",
)
OUTPUTS: Final = (
    "lk.function_tool.output",
    "lk.response.text",
    "lk.pii.function_tool.output",
    "lk.pii.response.text",
)

_TYPES: Final = {"agent_turn": "AGENT", "start_agent_activity": "AGENT", "function_tool": "TOOL"}
_PLUMBING_STARTS: Final = ("tts_", "stt_", "vad_", "eou_", "room_", "rpc_", "job_", "wait_for_")
_PLUMBING: Final = frozenset(
    {
        "agent_speaking",
        "drain_agent_activity",
        "keyterm_detection",
        "llm_request_run",
        "pause_agent_activity",
        "realtime_metrics",
        "resume_agent_activity",
        "session_close",
        "session_end_upload",
        "session_start",
        "shutdown_callback",
        "user_speaking",
    }
)
"""Audio, detection of turns, connections and life cycle: nothing that an application itself does or says."""


def observation_type(span: SpanData) -> str | None:
    """By the span's name."""
    return _TYPES.get(span.name)


def level(span: SpanData) -> str | None:
    """Plumbing is there for debugging."""
    return "DEBUG" if span.name in _PLUMBING or span.name.startswith(_PLUMBING_STARTS) else None


def bodies(span: SpanData) -> Bodies | None:
    """What was heard, given or asked, and what came of it."""
    return first_of(span.attributes, INPUTS, OUTPUTS)
