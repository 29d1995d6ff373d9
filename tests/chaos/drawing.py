"""The truth, drawn before anything is sent: observations with all their final values, in trees, with users, errors, usage and costs."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import orjson

from tests.chaos.expected import Observation
from tests.chaos.prices import MODELS, UNKNOWN_MODELS, cost_of
from tests.chaos.repeats import MOST_COMPARED, nearest_with_figures
from tests.chaos.texts import Texts

MINUTE_US: Final = 60_000_000
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NAMES: Final = tuple(name for model in MODELS for name in model.names) + UNKNOWN_MODELS
_TYPES: Final = ("SPAN", "SPAN", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "GUARDRAIL", "EVENT", "EMBEDDING")
_TELLING_AGAIN: Final = ("AGENT", "CHAIN")
_LEVELS: Final = ("DEBUG", "WARNING", "ERROR", "ERROR")


def instant(at_us: int) -> datetime:
    """An aware time from microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=at_us)


def microseconds(at: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (at - _EPOCH) // _MICROSECOND


def hex_id(rng: random.Random, size: int) -> str:
    """An id of `size` bytes as OpenTelemetry writes it."""
    return f"{rng.getrandbits(size * 8) | 1:0{size * 2}x}"


@dataclass(frozen=True)
class Family:
    """What the observations of one trace have in common. `clocks`: by how much its senders' clocks are wrong, in microseconds."""

    trace_id: str
    start_us: int
    length_us: int
    environment: str
    version: str | None
    clocks: tuple[int, ...]
    span_ids: bool
    floats: bool
    """Whether costs travel as numbers of JSON, which are doubles."""


class Drawing:
    """Draws what must be stored. Everything comes from one generator of random numbers, so from one seed."""

    def __init__(self, rng: random.Random, *, text_bytes: int) -> None:
        self.rng = rng
        self.texts = Texts(rng, text_bytes)

    def tree(self, family: Family, size: int) -> list[Observation]:
        """The observations of a trace, parents first; the parent of each is one before it."""
        found: list[Observation] = []
        for index in range(size):
            parent = found[self.rng.randrange(max(0, index - 6), index)].id if index else None
            found.append(self.observation(family, parent))
        for one in reversed(found if size <= MOST_COMPARED else []):
            if one.type in _TELLING_AGAIN and self.rng.random() < 0.5:
                self._tell_again(one, found)
        return found

    def observation(self, family: Family, parent_id: str | None) -> Observation:
        """One observation, priced."""
        rng = self.rng
        start_us = family.start_us + (rng.randrange(family.length_us) if parent_id else 0) + rng.choice(family.clocks)
        one = Observation(
            family.trace_id,
            hex_id(rng, 8) if family.span_ids else f"obs-{hex_id(rng, 12)}",
            "GENERATION" if parent_id and rng.random() < 0.6 else rng.choice(_TYPES),
            instant(start_us),
            name=rng.choice(("llm-call", "step", "Answer the user", "取得", "agent 🤖")),
            parent_observation_id=parent_id,
            end_time=instant(start_us + int(rng.expovariate(1 / 2_000_000))),
            environment=family.environment,
            version=family.version,
        )
        self._draw_outcome(one)
        self._draw_bodies(one)
        if one.type in ("GENERATION", "EMBEDDING"):
            self._draw_model(one, start_us, floats=family.floats)
        return one

    def _tell_again(self, one: Observation, tree: list[Observation]) -> None:
        """Let it tell the sum of what is below it, or nearly."""
        below = nearest_with_figures(one, tree)
        if not below:
            return
        one.model = self.rng.choice(_NAMES)
        one.usage_details = {
            "input": sum(other.input_tokens for other in below) + self.rng.choice((0, 0, 0, 1)),
            "output": sum(other.output_tokens for other in below),
            "total": sum(other.total_tokens for other in below) + self.rng.choice((0, 0, 0, 1)),
        }
        set_costs(one)

    def _draw_outcome(self, one: Observation) -> None:
        rng = self.rng
        if rng.random() < 0.15:
            one.level = rng.choice(_LEVELS)
            one.status_message = self.texts.short() if rng.random() < 0.8 else None

    def _draw_bodies(self, one: Observation) -> None:
        rng, texts = self.rng, self.texts
        chance = rng.random()
        if chance < 0.7:
            one.input = to_json(texts.messages()) if chance < 0.5 else texts.body()
            one.output = to_json({"role": "assistant", "content": texts.body()}) if chance < 0.35 else texts.body()
        if rng.random() < 0.5:
            one.metadata = texts.metadata("o")

    def _draw_model(self, one: Observation, start_us: int, *, floats: bool) -> None:
        rng = self.rng
        one.model = rng.choice(_NAMES)
        one.usage_details = self._usage(one.model)
        if rng.random() < 0.15:
            one.provided_cost_details = self._provided_costs(floats=floats)
        if rng.random() < 0.5:
            one.model_parameters = {
                "temperature": rng.choice((0, 0.2, 1)),
                "max_tokens": rng.randrange(4096),
                "stop": "end",
            }
        if one.type == "GENERATION":
            if rng.random() < 0.3:
                one.completion_start_time = instant(start_us + rng.randrange(1, 900_000))
            if rng.random() < 0.3:
                one.prompt_name, one.prompt_version = "folder/answer", rng.randrange(1, 50)
        set_costs(one)

    def _usage(self, model: str) -> dict[str, int]:
        rng = self.rng
        usage = {"input": rng.randrange(1, 20_000), "output": rng.randrange(4_000)}
        if rng.random() < 0.4:
            usage["input_cached_tokens"] = rng.randrange(100_000)
        if model.startswith("claude"):
            usage["input_cache_creation"] = rng.choice((0, 977, 150_001))
        elif model.startswith("o3"):
            usage["output_reasoning_tokens"] = rng.randrange(9_999)
        usage["total"] = sum(usage.values()) if rng.random() < 0.97 else rng.randrange(1 << 20)
        return usage

    def _provided_costs(self, *, floats: bool) -> dict[str, Decimal]:
        """Amounts with as many digits as can be sent."""
        rng = self.rng
        names = rng.choice((("input", "output"), ("total",), ("input", "output", "total"), ("other",)))
        if floats:
            return {name: Decimal(repr(rng.random() / rng.choice((1, 1_000, 10**7)))) for name in names}
        return {name: Decimal(rng.getrandbits(84)).scaleb(-rng.randrange(24, 31)) for name in names}


def set_costs(one: Observation) -> None:
    """Price an observation, and sum its usage up."""
    usage = one.usage_details
    one.input_tokens = sum(units for kind, units in usage.items() if "input" in kind)
    one.output_tokens = sum(units for kind, units in usage.items() if "output" in kind)
    one.total_tokens = usage.get("total", 0)
    parts = sum(units for kind, units in usage.items() if kind != "total")
    contradicted = one.total_tokens != parts
    one.warnings = [f"usage total {one.total_tokens} is not the sum of its parts, {parts}"] if contradicted else []
    _put_cost(one, changed=False)


def with_other_prices(one: Observation) -> Observation:
    """The same by the prices of `change_prices`."""
    other = replace(one)
    _put_cost(other, changed=True)
    return other


def to_json(value: Any) -> str:
    """JSON text, as an SDK writes it."""
    return orjson.dumps(value).decode()


def _put_cost(one: Observation, *, changed: bool) -> None:
    cost = cost_of(one.model, one.usage_details, one.provided_cost_details, changed=changed)
    one.cost_details, one.total_cost, one.model_id = cost.details, cost.total, cost.model_id
    one.input_price, one.output_price = cost.unit
