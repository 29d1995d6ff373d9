"""The same verdict through the public read API: a sample of traces, observations, scores and users' windows as clients see them.

Times have milliseconds there, numbers are compared to the last digit, and input and output that are JSON come parsed.
"""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx

from tests.chaos.expected import MONEY_DIGITS, Expected, Figures, Observation, RollUp, Score, Trace, WindowKey
from tests.chaos.verify import Findings, same, shown

TIMEOUT_SECONDS: Final = 30
_NOT_FOUND: Final = 404
_UNAVAILABLE: Final = 503
_TRIES: Final = 30
_SUMS_OF_COSTS: Final = frozenset({"totalCost", "cost"})

Key = TypeVar("Key")


async def compare_through_api(
    url: str,
    headers: dict[str, str],
    expected: Expected,
    rng: random.Random,
    sample: int,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Findings:
    """Read up to `sample` of each kind, and compare. Raises httpx.HTTPError when the API does not answer.

    Where prices may have changed, an observation is held against the table that it shows, and sums of costs are left out.
    """
    findings = Findings()
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, transport=transport) as client:
        api = _Api(client, expected, findings)
        await _check(findings, "traces", api.trace, _some(rng, expected.traces, sample))
        await _check(findings, "observations", api.observation, _some(rng, expected.observations, sample))
        await _check(findings, "scores", api.score, _some(rng, expected.scores, sample))
        await _check(findings, "users", api.user, _some(rng, expected.users, sample))
    return findings


def _some(rng: random.Random, keys: Iterable[Key], most: int) -> list[Key]:
    every = list(keys)
    return rng.sample(every, min(most, len(every)))


async def _check(findings: Findings, kind: str, check: Callable[[Key], Awaitable[None]], keys: list[Key]) -> None:
    for key in keys:
        await check(key)
    findings.checked[kind] = len(keys)


class _Api:
    """Reads one thing at a time and says what is wrong with it."""

    def __init__(self, client: httpx.AsyncClient, expected: Expected, findings: Findings) -> None:
        self._client = client
        self._expected = expected
        self._findings = findings
        self._roll_ups = expected.roll_ups()
        self._windows = expected.windows()
        self._observations_of: defaultdict[str, set[str]] = defaultdict(set)
        for trace_id, observation_id in expected.observations:
            self._observations_of[trace_id].add(observation_id)

    async def trace(self, trace_id: str) -> None:
        found = await self._get(f"/api/public/traces/{quote(trace_id, safe='')}", f"trace {trace_id}")
        if found is None:
            return
        trace = self._expected.traces[trace_id]
        self._compare(f"trace {trace_id}", _trace_shape(trace, self._roll_ups[trace_id]), found)
        listed = [one["id"] for one in found["observations"]]
        self._compare_ids(f"trace {trace_id}", self._observations_of[trace_id], listed)

    async def observation(self, key: tuple[str, str]) -> None:
        name = f"observation {key[0]}/{key[1]}"
        found = await self._get(f"/api/public/observations/{quote(key[1], safe='')}", name)
        if found is not None:
            one, other = self._expected.observations[key], self._expected.other_prices.get(key)
            if other is not None and found["inputPrice"] == other.input_price:
                one = other
            self._compare(name, _observation_shape(one), found)

    async def score(self, score_id: str) -> None:
        found = await self._get(f"/api/public/v2/scores/{quote(score_id, safe='')}", f"score {score_id}")
        if found is not None:
            self._compare(f"score {score_id}", _score_shape(self._expected.scores[score_id]), found)

    async def user(self, user_id: str) -> None:
        """All of a user's windows, of each length."""
        for bucket in ("minute", "hour", "day"):
            path = f"/api/tailrace/v1/users/{quote(user_id, safe='')}/windows?bucket={bucket}"
            found = await self._get(path, f"user {user_id}")
            if found is None:
                continue
            stored = {window["start"]: window for window in found["data"]}
            wanted = _windows_shape(self._windows, user_id, bucket)
            self._findings.lost += [f"window {user_id} {bucket} {start}: not shown" for start in wanted.keys() - stored]
            self._findings.wrong += [
                f"window {user_id} {bucket} {start}: shown, expected none" for start in stored.keys() - wanted
            ]
            for start in wanted.keys() & stored.keys():
                self._compare(f"window {user_id} {bucket} {start}", wanted[start], stored[start])

    async def _get(self, path: str, name: str) -> dict[str, Any] | None:
        """What the API says; None, and a finding, when it knows nothing of it. Raises httpx.HTTPStatusError."""
        response = await self._client.get(path)
        for _ in range(_TRIES):
            if response.status_code != _UNAVAILABLE:
                break
            await asyncio.sleep(1)
            response = await self._client.get(path)
        if response.status_code == _NOT_FOUND:
            self._findings.lost.append(f"{name}: not found by the API")
            return None
        response.raise_for_status()
        return json.loads(response.content, parse_float=Decimal)

    def _compare(self, name: str, wanted: dict[str, Any], found: dict[str, Any]) -> None:
        for field, value in wanted.items():
            if field in _SUMS_OF_COSTS and self._expected.other_prices:
                continue
            shown_value = found.get(field)
            if not same({field: value}, {field: shown_value}):
                self._findings.wrong.append(f"{name}: {field} expected {shown(value)}, shown {shown(shown_value)}")

    def _compare_ids(self, name: str, wanted: set[str], listed: list[str]) -> None:
        self._findings.lost += [f"{name}: observation {one} not shown" for one in wanted - set(listed)]
        self._findings.wrong += [f"{name}: observation {one} shown, expected none" for one in set(listed) - wanted]
        if len(listed) != len(set(listed)):
            self._findings.duplicated.append(
                f"{name}: {len(listed)} observations shown, {len(set(listed))} of them different"
            )


def _trace_shape(trace: Trace, roll_up: RollUp) -> dict[str, Any]:
    first, last = roll_up.first_start, roll_up.last_end
    return {
        "id": trace.id,
        "timestamp": _time(trace.timestamp),
        "name": trace.name,
        "userId": trace.user_id,
        "sessionId": trace.session_id,
        "release": trace.release,
        "version": trace.version,
        "environment": trace.environment,
        "public": trace.public,
        "tags": trace.tags,
        "externalId": trace.external_id,
        "input": _parsed(trace.input),
        "output": _parsed(trace.output),
        "metadata": trace.metadata or {},
        "latency": 0 if first is None or last is None else (last - first).total_seconds(),
        "totalCost": roll_up.total_cost,
    }


def _observation_shape(one: Observation) -> dict[str, Any]:
    return {
        "id": one.id,
        "traceId": one.trace_id,
        "type": one.type,
        "name": one.name,
        "startTime": _time(one.start_time),
        "endTime": _time(one.end_time),
        "completionStartTime": _time(one.completion_start_time),
        "parentObservationId": one.parent_observation_id,
        "level": one.level,
        "statusMessage": one.status_message,
        "version": one.version,
        "environment": one.environment,
        "model": one.model,
        "modelParameters": one.model_parameters,
        "promptName": one.prompt_name,
        "promptVersion": one.prompt_version,
        "input": _parsed(one.input),
        "output": _parsed(one.output),
        "metadata": one.metadata or {},
        "usageDetails": one.usage_details,
        "promptTokens": one.input_tokens,
        "completionTokens": one.output_tokens,
        "totalTokens": one.total_tokens,
        "costDetails": one.cost_details,
        "calculatedTotalCost": one.total_cost,
    }


def _score_shape(score: Score) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "id": score.id,
        "timestamp": _time(score.timestamp),
        "name": score.name,
        "value": score.value,
        "dataType": score.data_type,
        "source": score.source,
        "comment": score.comment,
        "metadata": score.metadata or {},
        "traceId": score.trace_id,
        "observationId": score.observation_id,
        "sessionId": score.session_id,
        "environment": score.environment,
    }
    if score.data_type != "NUMERIC":
        shape["stringValue"] = score.long_string_value or score.string_value
    return shape


def _windows_shape(windows: dict[WindowKey, Figures], user_id: str, bucket: str) -> dict[str, dict[str, Any]]:
    """A user's windows over all models, by their start; one that holds only traces is not shown."""
    sums: defaultdict[datetime, Figures] = defaultdict(Figures)
    with localcontext(prec=MONEY_DIGITS):
        for key, figures in windows.items():
            if (key.user_id, key.bucket) == (user_id, bucket):
                total = sums[key.bucket_start]
                total.cost += figures.cost
                total.total_tokens += figures.total_tokens
                total.generations += figures.generations
                total.errors += figures.errors
    return {
        _time(start) or "": {
            "cost": _money(figures.cost),
            "tokens": figures.total_tokens,
            "generations": figures.generations,
            "errors": figures.errors,
        }
        for start, figures in sums.items()
        if figures.cost or figures.total_tokens or figures.generations or figures.errors
    }


def _money(amount: Decimal) -> str:
    """Plain digits without zeros at the end."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _time(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _parsed(text: str | None) -> Any:
    """The JSON that a text is, or the text."""
    try:
        return json.loads(text or "", parse_float=Decimal)
    except ValueError:
        return text
