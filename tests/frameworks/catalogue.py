"""The runs: which packages are recorded, each with a script and pins of its own under runs/, and which ones are not."""

import re
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parent
RUNS: Final = FOLDER / "runs"
RECORDS: Final = FOLDER / "records"


class Run(NamedTuple):
    """One package that sends traces: `packages` are the ones whose versions matter, the sender first."""

    name: str
    packages: tuple[str, ...]

    @property
    def script(self) -> Path:
        return RUNS / self.name / "run.py"

    @property
    def wanted(self) -> Path:
        """What the script needs, without versions."""
        return RUNS / self.name / "requirements.in"

    @property
    def pins(self) -> Path:
        return RUNS / self.name / "requirements.txt"

    @property
    def record(self) -> Path:
        return RECORDS / self.name

    def versions(self) -> dict[str, str]:
        """The pinned version of each package that matters. Raises KeyError if one has no pin."""
        pinned = dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", self.pins.read_text(encoding="utf-8"), re.MULTILINE))
        return {package: pinned[package] for package in self.packages}


class Missing(NamedTuple):
    """A package that is not recorded, and why."""

    package: str
    reason: str


_ALL: Final = (
    Run("openai-langfuse", ("langfuse", "openai")),
    Run("openai-openinference", ("openinference-instrumentation-openai", "openai")),
    Run("openai-traceloop", ("opentelemetry-instrumentation-openai", "traceloop-sdk", "openai")),
    Run("openai-opentelemetry", ("opentelemetry-instrumentation-openai-v2", "openai")),
    Run("openlit", ("openlit", "openai")),
    Run("mlflow", ("mlflow", "openai")),
    Run("langchain-langfuse", ("langfuse", "langchain")),
    Run("langchain-openinference", ("openinference-instrumentation-langchain", "langchain")),
    Run("langchain-traceloop", ("opentelemetry-instrumentation-langchain", "langchain")),
    Run("langgraph-langfuse", ("langfuse", "langgraph")),
    Run("llama-index-openinference", ("openinference-instrumentation-llama-index", "llama-index-core")),
    Run("litellm-opentelemetry", ("litellm",)),
    Run("litellm-langfuse-otel", ("litellm",)),
    Run("litellm-langfuse", ("litellm", "langfuse")),
    Run("litellm-openinference", ("openinference-instrumentation-litellm", "litellm")),
    Run("openai-agents-openinference", ("openinference-instrumentation-openai-agents", "openai-agents")),
    Run("openai-agents-logfire", ("logfire", "openai-agents")),
    Run("pydantic-ai", ("pydantic-ai-slim",)),
    Run("pydantic-ai-logfire", ("logfire", "pydantic-ai-slim")),
    Run("anthropic", ("anthropic",)),
    Run("anthropic-openinference", ("openinference-instrumentation-anthropic", "anthropic")),
    Run("anthropic-twice", ("openinference-instrumentation-anthropic", "anthropic")),
    Run("anthropic-traceloop", ("opentelemetry-instrumentation-anthropic", "anthropic")),
    Run("google-genai-openinference", ("openinference-instrumentation-google-genai", "google-genai")),
    Run("google-genai-opentelemetry", ("opentelemetry-instrumentation-google-genai", "google-genai")),
    Run("google-adk", ("google-adk",)),
    Run("bedrock-openinference", ("openinference-instrumentation-bedrock", "boto3")),
    Run("bedrock-opentelemetry", ("opentelemetry-instrumentation-botocore", "boto3")),
    Run("bedrock-traceloop", ("opentelemetry-instrumentation-bedrock", "boto3")),
    Run("smolagents-openinference", ("openinference-instrumentation-smolagents", "smolagents")),
    Run("crewai-openinference", ("openinference-instrumentation-crewai", "crewai")),
    Run("dspy-openinference", ("openinference-instrumentation-dspy", "dspy")),
    Run("haystack-openinference", ("openinference-instrumentation-haystack", "haystack-ai")),
    Run("agno-openinference", ("openinference-instrumentation-agno", "agno")),
    Run("semantic-kernel", ("semantic-kernel",)),
    Run("strands", ("strands-agents",)),
    Run("autogen", ("autogen-agentchat", "opentelemetry-instrumentation-openai")),
)
CATALOGUE: Final = {run.name: run for run in _ALL}

MISSING: Final[tuple[Missing, ...]] = ()
