"""Load that knows the right answer: what was acknowledged, and what it must cost."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import httpx

from tests.load.templates import Template


@dataclass
class Expected:
    """What must be stored of what was acknowledged: spans, and cost in USD by user."""

    spans: int = 0
    cost: Counter[str] = field(default_factory=Counter[str])

    def add(self, template: Template) -> None:
        self.spans += template.spans
        for user, cost in template.cost.items():
            self.cost[user] += cost  # pyright: ignore[reportArgumentType]

    @property
    def total(self) -> Decimal:
        return sum(map(Decimal, self.cost.values()), Decimal(0))


@dataclass
class Sent:
    """What a run of load did."""

    statuses: Counter[str] = field(default_factory=Counter[str])
    expected: Expected = field(default_factory=Expected)


async def send_load(
    origin: str,
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
    async with httpx.AsyncClient(base_url=origin, headers=headers, timeout=60, limits=limits) as client:

        async def work() -> None:
            for number in numbers:
                await asyncio.sleep(max(0.0, started + pace(number) - time.monotonic()))
                template = templates[number % len(templates)]
                await _post_until_taken(client, template, sent)
                sent.expected.add(template)

        await asyncio.gather(*(work() for _ in range(concurrency)))
    return sent


async def _post_until_taken(client: httpx.AsyncClient, template: Template, sent: Sent) -> None:
    body = template.fresh()
    for _ in range(600):
        try:
            response = await client.post(template.path, content=body, headers=template.headers)
        except httpx.TransportError as error:
            sent.statuses[type(error).__name__] += 1
        else:
            sent.statuses[str(response.status_code)] += 1
            if response.is_success:
                return
            if response.status_code not in (429, 503):
                raise RuntimeError(f"expected 2xx, 429 or 503, got {response.status_code} {response.text[:200]}")
        await asyncio.sleep(0.2)
    raise RuntimeError("the edge took nothing for two minutes")
