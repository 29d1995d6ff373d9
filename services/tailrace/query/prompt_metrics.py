"""Our own API on prompts: what each version costs, how long it takes, how often it fails and how it is scored, to hold versions against each other.

It is read from the observations that name the prompt, whether its versions are still there or not.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal
from itertools import groupby
from typing import Any, Final

from tailrace.core.intervals import CONFIDENCE, Interval, mean_interval, rate_interval
from tailrace.query.endpoint import Answer, Call
from tailrace.query.errors import NotFoundError, TooMuchError
from tailrace.query.json_text import embed_instant, embed_money
from tailrace.query.observations import DAY_MARGIN
from tailrace.query.parameters import instant
from tailrace.query.prompt_requests import fault_of_name
from tailrace.query.rows import PromptFigures, PromptKind, PromptScoreFigures
from tailrace.query.sql import statement

MAX_VERSIONS: Final = 1_000
MAX_SCORES: Final = 10_000
COST_DIGITS: Final = Decimal("1e-15")
_beginning: Final = datetime(1, 1, 3, tzinfo=UTC)
_end: Final = datetime(9999, 12, 30, tzinfo=UTC)
_wide: Final = Context(prec=400)
_linked: Final = statement("observations_of_prompt")
_measure: Final = statement("measure_prompt", linked=_linked)
_measure_scores: Final = statement("measure_prompt_scores", linked=_linked)
_percentiles: Final = ("p50", "p75", "p90", "p95", "p99")


async def measure_prompt(call: Call) -> Answer:
    """Figures by version, the newest version first, of observations that began in `from` to before `to`. Raises NotFoundError."""
    first, last = instant(call.query, "from"), instant(call.query, "to")
    start = max(first or _beginning, _beginning)
    values = (call.project_id, call.id, start, last or _end, start.date() - DAY_MARGIN)
    async with call.database.snapshot() as reader:
        known = fault_of_name(call.id) is None and await reader.row(
            PromptKind, statement("get_prompt_kind"), (call.project_id, call.id)
        )
        found = await reader.rows(PromptFigures, _measure, (*values, MAX_VERSIONS + 1))
        scores = await reader.rows(PromptScoreFigures, _measure_scores, (*values, MAX_SCORES + 1))
    if not known and not found:
        raise NotFoundError(f"Prompt not found: '{call.id}'")
    if len(found) > MAX_VERSIONS or len(scores) > MAX_SCORES:
        raise TooMuchError(
            f"there are more than {MAX_VERSIONS} versions or {MAX_SCORES} kinds of scores: ask for a shorter period"
        )
    meta = {"name": call.id, "from": embed_instant(first), "to": embed_instant(last), "confidence": CONFIDENCE}
    return Answer(lambda: {"data": _versions(found, scores), "meta": meta}, len(found))


def _versions(found: Sequence[PromptFigures], scores: Sequence[PromptScoreFigures]) -> list[dict[str, Any]]:
    by_version = {version: list(rows) for version, rows in groupby(scores, lambda one: one.version)}
    return [_version(one, by_version.get(one.version, [])) for one in found]


def _version(one: PromptFigures, scores: Sequence[PromptScoreFigures]) -> dict[str, Any]:
    return {
        "version": one.version,
        "promptId": one.prompt_id,
        "labels": one.labels,
        "n": one.n,
        "firstSeen": embed_instant(one.first_seen_at),
        "lastSeen": embed_instant(one.last_seen_at),
        "cost": _cost(one),
        "tokens": {"input": one.input_tokens, "output": one.output_tokens, "total": one.total_tokens},
        "latency": {"n": one.timed, **_latencies(one.latencies)},
        "errors": {"n": one.errors, "rate": one.errors / one.n, **_bounds(rate_interval(one.n, one.errors))},
        "scores": [_score(list(rows)) for _, rows in groupby(scores, _of_one_score)],
    }


def _latencies(seconds: Sequence[float] | None) -> dict[str, float | None]:
    """To the microsecond, as times are stored."""
    if seconds is None:
        return dict.fromkeys(_percentiles)
    return {name: round(value, 6) for name, value in zip(_percentiles, seconds, strict=True)}


def _cost(one: PromptFigures) -> dict[str, Any]:
    mean = one.cost / one.priced if one.priced else None
    deviation = None if one.cost_deviation is None else float(one.cost_deviation)
    interval = None if mean is None else mean_interval(one.priced, float(mean), deviation)
    return {
        "total": embed_money(one.cost),
        "n": one.priced,
        "mean": _money(mean),
        "low": None if interval is None else _money(Decimal(max(0.0, interval.low))),
        "high": None if interval is None else _money(Decimal(interval.high)),
    }


def _score(rows: list[PromptScoreFigures]) -> dict[str, Any]:
    first = rows[0]
    shape: dict[str, Any] = {
        "name": first.name,
        "target": first.target,
        "source": first.source,
        "dataType": first.data_type,
        "n": sum(row.n for row in rows),
    }
    if first.data_type == "CATEGORICAL":
        return shape | {"categories": _categories(rows)}
    mean = float(first.mean)
    if first.data_type == "BOOLEAN":
        interval = rate_interval(first.n, min(max(mean, 0.0), 1.0) * first.n)
    else:
        interval = mean_interval(first.n, mean, None if first.deviation is None else float(first.deviation))
    return shape | {"mean": mean, **_bounds(interval)}


def _categories(rows: Iterable[PromptScoreFigures]) -> list[dict[str, Any]]:
    counted = [(row.category or "", row.n) for row in rows]
    total = sum(n for _, n in counted)
    return [{"category": name, "n": n, "rate": n / total, **_bounds(rate_interval(total, n))} for name, n in counted]


def _of_one_score(one: PromptScoreFigures) -> tuple[str, str, str, str]:
    return one.name, one.target, one.source, one.data_type


def _bounds(interval: Interval | None) -> dict[str, float | None]:
    return {"low": None, "high": None} if interval is None else {"low": interval.low, "high": interval.high}


def _money(amount: Decimal | None) -> str | None:
    """An amount that was divided, to 15 decimals."""
    return None if amount is None else embed_money(amount.quantize(COST_DIGITS, context=_wide))
