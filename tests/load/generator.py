"""Seeded OTLP load that knows the right answer: whole traces of 10 spans, 6 of them generations, and what they must cost.

Ids are replaced in a template of bytes, so that generating costs little beside serving.
"""

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

TRACES_PATH = "/api/public/otel/v1/traces"
SPANS_PER_TRACE = 10
MODEL = "gpt-4o-mini"
USD_PER_INPUT_TOKEN = Decimal("0.00000015")
USD_PER_OUTPUT_TOKEN = Decimal("0.0000006")
"""OpenAI's price page: 0.15 and 0.60 USD for a million tokens."""

_trace_mark = b"\xa5\x5a\xa5\x5a\xa5\x5a\xa5\x5a"
_span_mark = b"\xa6\x6a\xa6\x6a"
_words = [
    "the",
    "refund",
    "of",
    "an",
    "order",
    "was",
    "asked",
    "for",
    "by",
    "a",
    "customer",
    "whose",
    "parcel",
    "came",
    "late",
    "and",
    "whose",
    "invoice",
    "showed",
    "it",
    "twice",
]


@dataclass
class Expected:
    """What must be stored of what was acknowledged: spans, and cost in USD by user."""

    spans: int = 0
    cost: Counter[str] = field(default_factory=Counter[str])

    def add(self, template: "Template") -> None:
        self.spans += template.spans
        for user, cost in template.cost.items():
            self.cost[user] += cost  # pyright: ignore[reportArgumentType]

    @property
    def total(self) -> Decimal:
        return sum(map(Decimal, self.cost.values()), Decimal(0))


@dataclass(frozen=True)
class Template:
    """A request body whose ids are marks, with the cost of its users."""

    body: bytes
    spans: int
    cost: dict[str, Decimal]

    def fresh(self) -> bytes:
        """The body with ids that no other has."""
        return self.body.replace(_trace_mark, os.urandom(8)).replace(_span_mark, os.urandom(4))


@dataclass
class Sent:
    """What a run of load did. Times in seconds since 1970 by trace id are those of the answers."""

    statuses: Counter[str] = field(default_factory=Counter[str])
    latencies: list[float] = field(default_factory=list[float])
    expected: Expected = field(default_factory=Expected)
    seconds: float = 0


def make_template(seed: int, *, traces: int, text_bytes: int = 4_000, users: int = 200) -> Template:
    """A body of `traces` traces; the same for the same seed."""
    rng = random.Random(seed)
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    _set(resource.resource.attributes.add(), "service.name", "load")
    scope = resource.scope_spans.add()
    scope.scope.name, scope.scope.version = "langfuse-sdk", "5.0.4"
    cost: dict[str, Decimal] = {}
    for number in range(traces):
        user = f"user-{rng.randrange(users)}"
        cost[user] = cost.get(user, Decimal(0)) + _add_trace(scope, rng, (seed, number), user, text_bytes)
    return Template(request.SerializeToString(), traces * SPANS_PER_TRACE, cost)


async def send_load(
    url: str,
    headers: dict[str, str],
    templates: list[Template],
    *,
    requests: int,
    concurrency: int,
    pace: Callable[[int], float],
) -> Sent:
    """Post `requests` bodies, the k-th not before `pace(k)` seconds after the start; 429, 503 and lost connections are tried again."""
    sent = Sent()
    started = time.monotonic()
    numbers = iter(range(requests))
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(timeout=60, limits=limits) as client:

        async def work() -> None:
            for number in numbers:
                await asyncio.sleep(max(0.0, started + pace(number) - time.monotonic()))
                template = templates[number % len(templates)]
                await _post_until_taken(client, url, headers, template.fresh(), sent)
                sent.expected.add(template)

        await asyncio.gather(*(work() for _ in range(concurrency)))
    sent.seconds = time.monotonic() - started
    return sent


def trace_id_of(body: bytes) -> str:
    """The first trace id of a body of the generator."""
    at = body.index(b"\x0a\x10") + 2
    return body[at : at + 16].hex()


async def _post_until_taken(
    client: httpx.AsyncClient, url: str, headers: dict[str, str], body: bytes, sent: Sent
) -> None:
    for _ in range(600):
        started = time.monotonic()
        try:
            response = await client.post(url, content=body, headers=headers)
        except httpx.TransportError as error:
            sent.statuses[type(error).__name__] += 1
        else:
            sent.statuses[str(response.status_code)] += 1
            if response.status_code == 200:
                sent.latencies.append(time.monotonic() - started)
                return
            if response.status_code not in (429, 503):
                raise RuntimeError(f"expected 200, 429 or 503, got {response.status_code} {response.text[:200]}")
        await asyncio.sleep(0.2)
    raise RuntimeError("the edge took nothing for two minutes")


def _add_trace(scope: ScopeSpans, rng: random.Random, number: tuple[int, int], user: str, text_bytes: int) -> Decimal:
    seed, trace = number
    start = time.time_ns() - 60_000_000_000 + trace * 1_000_000
    cost = Decimal(0)
    for index in range(SPANS_PER_TRACE):
        span = scope.spans.add()
        span.trace_id = _trace_mark + (seed * 1000 + trace).to_bytes(8, "big")
        span.span_id = _span_id(trace, index)
        if index:
            span.parent_span_id = _span_id(trace, 0 if index < 4 else 1 + index % 3)
        span.name = "request" if index == 0 else "step" if index < 4 else "llm-call"
        span.start_time_unix_nano = start + index * 10_000_000
        span.end_time_unix_nano = span.start_time_unix_nano + 250_000_000
        _set(span.attributes.add(), "langfuse.trace.name", "request")
        _set(span.attributes.add(), "user.id", user)
        _set(span.attributes.add(), "session.id", f"session-{user}")
        _set(span.attributes.add(), "langfuse.observation.type", "span" if index < 4 else "generation")
        if index >= 4:
            cost += _add_generation(span, rng, text_bytes)
    return cost


def _add_generation(span: Span, rng: random.Random, text_bytes: int) -> Decimal:
    tokens_in, tokens_out = rng.randrange(200, 900), rng.randrange(50, 400)
    usage = {"input": tokens_in, "output": tokens_out, "total": tokens_in + tokens_out}
    question = [{"role": "user", "content": _text(rng, text_bytes * 5 // 8)}]
    answer = {"role": "assistant", "content": _text(rng, text_bytes * 3 // 8)}
    _set(span.attributes.add(), "langfuse.observation.model.name", MODEL)
    _set(span.attributes.add(), "langfuse.observation.usage_details", json.dumps(usage))
    _set(span.attributes.add(), "langfuse.observation.input", json.dumps(question))
    _set(span.attributes.add(), "langfuse.observation.output", json.dumps(answer))
    return tokens_in * USD_PER_INPUT_TOKEN + tokens_out * USD_PER_OUTPUT_TOKEN


def _set(attribute: KeyValue, key: str, value: str) -> None:
    attribute.key = key
    attribute.value.string_value = value


def _span_id(trace: int, index: int) -> bytes:
    return _span_mark + (trace * 100 + index).to_bytes(4, "big")


def _text(rng: random.Random, size: int) -> str:
    words: list[str] = []
    length = 0
    while length < size:
        words.append(rng.choice(_words))
        length += len(words[-1]) + 1
    return " ".join(words)
