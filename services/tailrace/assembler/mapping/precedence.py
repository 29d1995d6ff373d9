"""Which convention wins, for every field: the lists are asked from their start, and the first that gives a value counts.

`docs/mapping.md` shows them; a test holds it to this file.
"""

from typing import Final

from tailrace.assembler.mapping import (
    flue,
    genai,
    genkit,
    langfuse,
    langsmith,
    livekit,
    logfire,
    mastra,
    mlflow,
    openinference,
    otel,
    plain,
    pydantic_ai,
    strands,
    traceloop,
    vercel,
    vertex,
)
from tailrace.assembler.mapping.bodies import Bodies, indexed_rule, pair_rule
from tailrace.assembler.mapping.rules import Parameters, Rule, object_rule, text_rule
from tailrace.assembler.mapping.tools import Tools, tools_rule
from tailrace.wire.otlp import SpanData

CONVENTIONS: Final = tuple(
    module.CONVENTION
    for module in (
        langfuse,
        genai,
        openinference,
        vercel,
        genkit,
        livekit,
        flue,
        vertex,
        pydantic_ai,
        strands,
        mastra,
        logfire,
        mlflow,
        traceloop,
        langsmith,
        otel,
        plain,
    )
)

SCOPES: Final = frozenset(
    {vercel.SCOPE, genkit.SCOPE, livekit.SCOPE, flue.SCOPE, pydantic_ai.SCOPE, strands.SCOPE, vertex.SCOPE}
)
"""Scopes that some rule asks for."""

MODELS_OF_GENERATIONS: Final = (
    langfuse.MODEL,
    genai.REQUEST_MODEL,
    genai.RESPONSE_MODEL,
    openinference.MODEL_NAME,
    plain.MODEL,
)
"""An attribute of these makes a generation of a span whose type no earlier rule tells."""


def _names_model(span: SpanData) -> bool:
    return any(span.attributes.get(key) for key in MODELS_OF_GENERATIONS)


def _vercel_type(span: SpanData) -> str | None:
    return vercel.operation_type(span, has_model=bool(span.attributes.get(vercel.MODEL)) or _names_model(span))


def _type_by_model(span: SpanData) -> str | None:
    return "GENERATION" if _names_model(span) else None


TYPES: Final[tuple[Rule[str], ...]] = (
    Rule(langfuse.CONVENTION, langfuse.observation_type, (langfuse.TYPE,)),
    Rule(openinference.CONVENTION, openinference.observation_type, (openinference.KIND,)),
    Rule(genai.CONVENTION, genai.observation_type, (genai.OPERATION,)),
    Rule(genkit.CONVENTION, genkit.observation_type, (genkit.SUBTYPE,)),
    Rule(vercel.CONVENTION, _vercel_type, (vercel.OPERATION_NAME, vercel.OPERATION_ID)),
    Rule(genai.CONVENTION, genai.tool_type, (genai.TOOL_NAME, genai.TOOL_CALL_ID)),
    Rule(flue.CONVENTION, flue.observation_type, (flue.TOOL, flue.TASK), flue.SCOPE),
    Rule(livekit.CONVENTION, livekit.observation_type, (), livekit.SCOPE),
    Rule(genai.CONVENTION, genai.embedding_type, (genai.OPERATION,)),
    Rule(traceloop.CONVENTION, traceloop.embedding_type, (traceloop.REQUEST_TYPE,)),
    Rule(mlflow.CONVENTION, mlflow.embedding_type, (mlflow.TYPE,)),
    Rule(langsmith.CONVENTION, langsmith.embedding_type, (langsmith.KIND,)),
    Rule(plain.CONVENTION, _type_by_model, MODELS_OF_GENERATIONS),
    Rule(traceloop.CONVENTION, traceloop.observation_type, (traceloop.KIND, traceloop.REQUEST_TYPE)),
    Rule(mlflow.CONVENTION, mlflow.observation_type, (mlflow.TYPE,)),
    Rule(langsmith.CONVENTION, langsmith.observation_type, (langsmith.KIND,)),
    Rule(genai.CONVENTION, genai.late_observation_type, (genai.OPERATION,)),
)
"""What no rule knows is a SPAN. The rules after that of the models are ours alone: they only speak where it would be one. So are
the four before it, which know embeddings only: they speak where one would be called a generation."""

NAMES: Final[tuple[Rule[str], ...]] = (
    text_rule(genai.CONVENTION, genai.TOOL_NAME),
    text_rule(genkit.CONVENTION, genkit.NAME),
    text_rule(logfire.CONVENTION, logfire.MESSAGE),
    text_rule(vercel.CONVENTION, vercel.TOOL_NAME),
    Rule(vercel.CONVENTION, vercel.operation_of_function, (vercel.OPERATION_ID,)),
    Rule(traceloop.CONVENTION, traceloop.tool_name, (traceloop.NAME,)),
)
"""Else the span's own."""

MODELS: Final[tuple[Rule[str], ...]] = (
    text_rule(langfuse.CONVENTION, langfuse.MODEL),
    text_rule(genai.CONVENTION, genai.RESPONSE_MODEL),
    text_rule(vercel.CONVENTION, vercel.MODEL),
    text_rule(genai.CONVENTION, genai.REQUEST_MODEL),
    text_rule(openinference.CONVENTION, openinference.RESPONSE_MODEL),
    text_rule(openinference.CONVENTION, openinference.MODEL_NAME),
    Rule(plain.CONVENTION, plain.model, (plain.MODEL,)),
    Rule(genkit.CONVENTION, genkit.model, (genkit.NAME,)),
    *(text_rule(openinference.CONVENTION, name) for name in openinference.NEWER_MODELS),
    Rule(mlflow.CONVENTION, mlflow.model, (mlflow.MODEL,)),
    Rule(genkit.CONVENTION, genkit.other_model, (genkit.NAME,)),
)

REQUEST_PREFIXES: Final = (genai.REQUEST, openinference.INVOCATION_PARAMETERS + ".")


def _request_parameters(span: SpanData) -> Parameters | None:
    return genai.request_parameters(span.attributes, REQUEST_PREFIXES) or None


PARAMETERS: Final[tuple[Rule[Parameters], ...]] = (
    object_rule(langfuse.CONVENTION, langfuse.MODEL_PARAMETERS),
    Rule(genkit.CONVENTION, genkit.parameters, (genkit.INPUT,), genkit.SCOPE),
    Rule(vercel.CONVENTION, vercel.parameters, ("ai.", "gen_ai."), vercel.SCOPE),
    object_rule(openinference.CONVENTION, openinference.INVOCATION_PARAMETERS),
    object_rule(plain.CONVENTION, plain.PARAMETERS),
    Rule(genai.CONVENTION, _request_parameters, REQUEST_PREFIXES),
    object_rule(logfire.CONVENTION, logfire.PARAMETERS),
    Rule(mlflow.CONVENTION, mlflow.parameters, (mlflow.BODIES[0],)),
)

REPEATS: Final[tuple[Rule[bool], ...]] = (
    Rule(genai.CONVENTION, genai.repeats_calls, (genai.OPERATION,)),
    Rule(vercel.CONVENTION, vercel.repeats_calls, (vercel.OPERATION_ID,)),
    Rule(genkit.CONVENTION, genkit.repeats_calls, (genkit.OUTPUT,), genkit.SCOPE),
)
"""What declares that its model, usage and cost are those of the calls below it."""

BODIES: Final[tuple[Rule[Bodies], ...]] = (
    Rule(langfuse.CONVENTION, langfuse.bodies, (langfuse.INPUT, langfuse.OUTPUT)),
    Rule(genkit.CONVENTION, genkit.bodies, (genkit.INPUT, genkit.OUTPUT), genkit.SCOPE),
    Rule(vercel.CONVENTION, vercel.bodies, (*vercel.INPUTS, *vercel.OUTPUTS), vercel.SCOPE),
    pair_rule(flue.CONVENTION, *flue.BODIES, flue.SCOPE),
    Rule(genai.CONVENTION, genai.bodies_of_details_event, of_events=True),
    Rule(genai.CONVENTION, genai.bodies_of_message_events, of_events=True),
    Rule(genai.CONVENTION, genai.bodies_of_content_events, of_events=True),
    Rule(vertex.CONVENTION, vertex.bodies, (*vertex.MODEL_CALL, *vertex.TOOL_CALL)),
    pair_rule(logfire.CONVENTION, *logfire.PROMPTS),
    Rule(livekit.CONVENTION, livekit.bodies, (*livekit.INPUTS, *livekit.OUTPUTS)),
    Rule(logfire.CONVENTION, logfire.bodies_of_events, (logfire.EVENTS,)),
    pair_rule(mlflow.CONVENTION, *mlflow.BODIES),
    pair_rule(traceloop.CONVENTION, *traceloop.BODIES),
    pair_rule(openinference.CONVENTION, *openinference.VALUES),
    pair_rule(plain.CONVENTION, *plain.BODIES),
    Rule(
        pydantic_ai.CONVENTION,
        pydantic_ai.bodies,
        (pydantic_ai.MESSAGES, pydantic_ai.RESULT, *pydantic_ai.TOOL_CALL),
        pydantic_ai.SCOPE,
    ),
    genai.INDEXED_RULE,
    indexed_rule(openinference.CONVENTION, *openinference.MESSAGES),
    Rule(vertex.CONVENTION, vertex.bodies_of_stream, (genai.OUTPUT_MESSAGES,), vertex.SCOPE),
    Rule(genai.CONVENTION, genai.bodies_of_attributes, genai.MESSAGES),
    Rule(vercel.CONVENTION, vercel.bodies, (*vercel.INPUTS, *vercel.OUTPUTS)),
    Rule(mastra.CONVENTION, mastra.bodies, (mastra.TYPE,)),
)
"""The last two are ours alone: an application may give the Vercel AI SDK a tracer of its own, with another scope."""

TOOLS: Final[tuple[Rule[Tools], ...]] = (
    tools_rule(vercel.CONVENTION, vercel.TOOL_DEFINITIONS),
    tools_rule(genai.CONVENTION, genai.TOOL_DEFINITIONS),
    Rule(pydantic_ai.CONVENTION, pydantic_ai.tools, (pydantic_ai.REQUEST_PARAMETERS,)),
    Rule(openinference.CONVENTION, openinference.tools, (openinference.TOOLS + ".",)),
    tools_rule(mlflow.CONVENTION, mlflow.TOOLS),
)

PROMPTS: Final[tuple[Rule[tuple[str, int]], ...]] = (
    Rule(langfuse.CONVENTION, langfuse.prompt, langfuse.PROMPT_NAMES),
    Rule(vercel.CONVENTION, vercel.prompt, (vercel.PROMPT,)),
)

COMPLETION_STARTS: Final[tuple[Rule[int], ...]] = (
    Rule(langfuse.CONVENTION, langfuse.completion_start_time, (langfuse.COMPLETION_START_TIME,)),
    Rule(vercel.CONVENTION, vercel.completion_start_time, vercel.MS_TO_FIRST_CHUNK),
    Rule(genai.CONVENTION, genai.completion_start_time, genai.SECONDS_TO_FIRST_CHUNK),
    Rule(strands.CONVENTION, strands.completion_start_time, (genai.SERVER_DELAY,), strands.SCOPE),
    Rule(genai.CONVENTION, genai.first_token_time, (genai.SERVER_DELAY,)),
    Rule(mastra.CONVENTION, mastra.completion_start_time, (mastra.COMPLETION_START_TIME,)),
    Rule(openinference.CONVENTION, openinference.first_token_time, (openinference.KIND,), of_events=True),
)

LEVELS: Final[tuple[Rule[str], ...]] = (
    Rule(livekit.CONVENTION, livekit.level, (), livekit.SCOPE),
    Rule(logfire.CONVENTION, logfire.level, (logfire.LEVEL,)),
)
"""What says the level where neither `langfuse.observation.level` nor an error status does."""

STATUS_MESSAGES: Final[tuple[Rule[str], ...]] = (
    text_rule(otel.CONVENTION, otel.ERROR_MESSAGE),
    Rule(otel.CONVENTION, otel.exception_message, of_events=True),
    text_rule(otel.CONVENTION, otel.ERROR_TYPE),
)
"""What says why a span failed where neither `langfuse.observation.status_message` nor its status does. Ours alone."""

ENVIRONMENTS: Final = (langfuse.ENVIRONMENT, "deployment.environment.name", "deployment.environment")
USER_IDS: Final = (
    *langfuse.USER_IDS,
    vercel.USER_ID,
    traceloop.USER_ID,
    vercel.CONTEXT_USER_ID,
    mastra.USER_ID,
)
SESSION_IDS: Final = (
    *langfuse.SESSION_IDS,
    genai.CONVERSATION_ID,
    *langfuse.METADATA_SESSION_IDS,
    vercel.SESSION_ID,
    vertex.SESSION_ID,
    traceloop.SESSION_ID,
    vercel.CONTEXT_SESSION_ID,
    mastra.SESSION_ID,
)
TAGS: Final = (
    *langfuse.TAGS,
    vercel.TAGS,
    openinference.TAGS,
    traceloop.TAGS,
    vercel.CONTEXT_TAGS,
    mastra.TAGS,
)
TRACE_UPDATES: Final = frozenset({*langfuse.TRACE_UPDATES, *USER_IDS, *SESSION_IDS, *TAGS})
"""An attribute of these, or metadata of the trace, makes any span speak of its trace."""

METADATA: Final = (*langfuse.METADATA, vercel.METADATA, vercel.CONTEXT)
"""How every attribute starts that is the application's own metadata."""
