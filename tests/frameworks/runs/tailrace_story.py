"""The story that every run tells, and what the runs share: who asks, what is asked, the tool, and how spans are exported."""

import os

PROVIDER = os.environ["PROVIDER_URL"]
OPENAI_URL = f"{PROVIDER}/v1"
KEY = "key-of-nobody"

USER = "user-lovelace"
SESSION = "session-difference-engine"
TAGS = ["tag-amber", "tag-cobalt"]

MODEL = "gpt-4.1-mini"
REASONING_MODEL = "gpt-5-mini"
AUDIO_MODEL = "gpt-4o-audio-preview"
EMBEDDING_MODEL = "text-embedding-3-small"
CLAUDE = "claude-sonnet-4-5"
GEMINI = "gemini-2.5-flash"
BEDROCK_CLAUDE = "anthropic.claude-3-5-sonnet-20241022-v2:0"
TEMPERATURE = 0.25
MAX_TOKENS = 345

SYSTEM = "You answer in one sentence."
QUESTION = "What does the analytical engine weave?"
STREAM_QUESTION = "What does Note G compute?"
TOOL_QUESTION = "How warm is it in Turin?"
AUDIO_QUESTION = "Say what the analytical engine weaves."
FAILING_QUESTION = "Please divide by zero."

WEATHER_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": WEATHER_SCHEMA},
}


def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: The name of the city.
    """
    return f"21 degrees in {city}"


def asked(question: str) -> list[dict]:
    """The messages of a chat."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]


def tracer_provider(*, set_global: bool = True):
    """OpenTelemetry's SDK as an application sets it up; the exporter reads OTEL_EXPORTER_OTLP_*."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "story"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if set_global:
        trace.set_tracer_provider(provider)
    return provider


def refused(call, *arguments, **named) -> None:
    """Calls what the provider refuses; the error is the point."""
    try:
        call(*arguments, **named)
    except Exception as error:
        print(f"refused as it should be: {type(error).__name__}")
        return
    raise SystemExit("expected an error")
