"""Traces told by the batch API: what must be stored in, creates and updates out, torn, shuffled and stale where they lose."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

import orjson

from tests.chaos.drawing import MINUTE_US, instant, microseconds
from tests.chaos.expected import Observation, Trace
from tests.chaos.requests import Unit, event_bytes
from tests.chaos.tearing import CREATE, UPDATE, Field, Telling, tear
from tests.chaos.texts import Texts

_UPDATES_OF: Final = {"GENERATION": ("generation-update", "generation-update", "span-update")}
_ZONES: Final = (timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-8)))
_LATER_US: Final = 3_000_000


class Told(NamedTuple):
    """A trace's own events: units, and for each what it names and when."""

    units: list[Unit]
    tellings: list[Telling]


class Teller:
    """Tells entities in events. `cross_clocks`: whether updates may come from senders with other clocks.

    `oldest_us`: the oldest time of an observation's event since it was last set.
    """

    def __init__(self, rng: random.Random, texts: Texts, *, cross_clocks: bool) -> None:
        self._rng = rng
        self._texts = texts
        self._cross_clocks = cross_clocks
        self.oldest_us = 0

    def observation(self, one: Observation, *, late: bool, same_clock: bool, with_trace: bool = True) -> list[Unit]:
        """The events of an observation. `same_clock`: no event is older than its start. `with_trace`: they name the trace."""
        rng = self._rng
        tellings = self._tellings_of(one, same_clock=same_clock)
        create = next((telling for telling in tellings if telling.phase == CREATE), None)
        pair = self._pull_forward(tellings, create) if not same_clock else None
        tellings.sort(key=lambda telling: telling.order)
        has_start = rng.random() > 0.05 or pair is not None
        if not has_start:
            one.start_time = instant(tellings[0].at_us)
        fields = self._observation_fields(one, has_start=has_start)
        self.oldest_us = min(self.oldest_us, microseconds(one.start_time), *(telling.at_us for telling in tellings))
        if one.type == "EVENT":
            one.end_time = None
        elif one.end_time is not None and one.end_time < one.start_time:
            one.end_time = one.start_time
        tear(rng, tellings, fields)
        for telling in tellings:
            telling.body["id"] = one.id
            if with_trace:
                telling.body["traceId"] = one.trace_id
            if telling.type.startswith("observation-"):
                telling.body["type"] = one.type
        return self._units(tellings, create, pair, late=late)

    def trace(self, trace: Trace, *, from_us: int, late: bool, explicit: bool) -> Told:
        """The events of a trace. `from_us`: before all that its observations say; `explicit`: whether they tell its timestamp."""
        rng = self._rng
        at_us = from_us
        tellings: list[Telling] = []
        for _ in range(rng.choice((1, 2, 2, 3))):
            tellings.append(Telling(self._event_id(), "trace-create", at_us, CREATE, at_us))
            at_us += rng.randrange(1, 2 * _LATER_US)
        trace.timestamp = instant(from_us)
        tear(rng, tellings, self._trace_fields(trace, explicit=explicit))
        for telling in tellings:
            telling.body["id"] = trace.id
            if trace.environment != "default":
                telling.body.setdefault("environment", trace.environment)
        return Told([self.unit(telling, late=late) for telling in tellings], tellings)

    def unit(self, telling: Telling, *, late: bool) -> Unit:
        """A batch event of its own."""
        return Unit("batch", [self._encode(telling)], 1, late=late)

    def telling(self, kind: str, at_us: int, body: dict[str, Any]) -> Telling:
        """One event, whole."""
        return Telling(self._event_id(), kind, at_us, CREATE, at_us, body)

    def time(self, at: datetime) -> str:
        """A time as senders write it: with Z or with the offset of where they are."""
        zone = self._rng.choice(_ZONES) if self._rng.random() < 0.1 else UTC
        text = at.astimezone(zone).isoformat(timespec="microseconds")
        return text.replace("+00:00", "Z")

    def _event_id(self) -> str:
        return f"{self._rng.getrandbits(96):024x}"

    def _tellings_of(self, one: Observation, *, same_clock: bool) -> list[Telling]:
        rng = self._rng
        at_us = microseconds(one.start_time) + rng.randrange(50_000)
        found: list[Telling] = []
        for number in range(rng.choice((1, 2, 2, 3, 4))):
            if number and not same_clock and self._cross_clocks and rng.random() < 0.3:
                at_us += rng.randrange(-10 * MINUTE_US, 10 * MINUTE_US)
            found.append(Telling(self._event_id(), self._update_type(one), at_us, UPDATE, at_us))
            at_us += 0 if rng.random() < 0.1 else rng.randrange(1, _LATER_US)
        if one.type not in ("SPAN", "GENERATION") or rng.random() > 0.05:
            word = one.type.lower() if one.prompt_name or rng.random() < 0.9 else "observation"
            found[0].type, found[0].phase = f"{word}-create", CREATE
        else:
            for telling in found:
                telling.type = f"{one.type.lower()}-update"
        return found

    def _update_type(self, one: Observation) -> str:
        return self._rng.choice(_UPDATES_OF.get(one.type, ("span-update", "observation-update")))

    def _pull_forward(self, tellings: Sequence[Telling], create: Telling | None) -> Telling | None:
        """Let an update that is older than its create stand beside it in one batch: there it counts as late as the create."""
        older = [one for one in tellings if create and one.phase == UPDATE and one.at_us <= create.at_us]
        if create is None or not older or self._rng.random() < 0.4:
            return None
        older[0].counts_at_us = create.at_us
        return older[0]

    def _units(
        self, tellings: Sequence[Telling], create: Telling | None, pair: Telling | None, *, late: bool
    ) -> list[Unit]:
        """An update that must count as older than its create never stands in a batch with it."""
        units: list[Unit] = []
        for telling in tellings:
            if pair is not None and telling is pair:
                continue
            parts = [self._encode(telling)]
            if pair is not None and telling is create:
                parts.insert(self._rng.randrange(2), self._encode(pair))
            alone = create is not None and telling is not create and telling.at_us < create.at_us
            units.append(Unit("batch", parts, len(parts), late=late, alone=alone))
        if self._rng.random() < 0.05 and not units[-1].alone and len(units[-1].parts) == 1:
            units.append(units[-1])
        return units

    def _encode(self, telling: Telling) -> bytes:
        timestamp = self.time(instant(telling.at_us))
        return event_bytes({"id": telling.id, "type": telling.type, "timestamp": timestamp, "body": telling.body})

    def _observation_fields(self, one: Observation, *, has_start: bool) -> list[Field]:
        rng, later = self._rng, self._later(one.start_time)
        fields = [
            *self._said("name", one.name, lambda: "stale name", nullable=True),
            *self._said("endTime", self._time(one.end_time if one.type != "EVENT" else None), later),
            *self._said("completionStartTime", self._time(one.completion_start_time), later),
            *self._said("version", one.version, lambda: "0.0-stale"),
            *self._said("statusMessage", one.status_message, lambda: "stale message"),
            *self._said("parentObservationId", one.parent_observation_id, lambda: "stale-parent"),
            *self._level(one),
            *self._body("input", one.input),
            *self._body("output", one.output),
            *self._environment(one.environment),
        ]
        if has_start:
            fields.append(Field(("startTime",), self._time(one.start_time), "first", later, (None,)))
        if one.metadata is not None:
            fields.append(Field(("metadata",), one.metadata, "deep", dict))
        if one.model is not None:
            fields += self._model_fields(one)
        rng.shuffle(fields)
        return fields

    def _model_fields(self, one: Observation) -> list[Field]:
        rng = self._rng
        fields = [Field(("model",), one.model, "latest", lambda: "gpt-4o")]
        if one.model_parameters is not None:
            fields.append(Field(("modelParameters",), one.model_parameters, "latest", lambda: {"stale": 1}, ({},)))
        if one.prompt_name is not None:
            linked = (one.prompt_name, one.prompt_version)
            fields.append(
                Field(("promptName", "promptVersion"), linked, "latest", lambda: ("stale", 1), (), _is_generation)
            )
        fields.append(self._usage_field(one))
        if one.provided_cost_details is not None:
            costs = {kind: float(amount) for kind, amount in one.provided_cost_details.items()}
            fields.append(Field(("costDetails",), costs, "latest", lambda: {"total": rng.random()}, (None, {})))
        return [one if one.only_in else one._replace(only_in=_may_have_model) for one in fields]

    def _usage_field(self, one: Observation) -> Field:
        """The usage in one of the shapes that SDKs send."""
        rng, usage = self._rng, dict(one.usage_details)
        whole = usage["total"] == sum(usage.values()) - usage["total"]
        if whole and usage.keys() == {"input", "output", "total"} and rng.random() < 0.5:
            one.unit = "TOKENS"
            said = {"promptTokens": usage["input"], "completionTokens": usage["output"], "totalTokens": usage["total"]}
            return Field(("usage",), said, "latest", lambda: {"input": 1, "output": 2, "unit": "TOKENS"}, (None,))
        if "input_cached_tokens" in usage and usage.keys() <= _OPENAI_KINDS and rng.random() < 0.5:
            return Field(("usageDetails",), _openai_usage(usage), "latest", lambda: {"input": 7}, (None, {}))
        if whole and rng.random() < 0.5:
            del usage["total"]
        return Field(("usageDetails",), usage, "latest", lambda: {"input": 7, "stale": 8}, (None, {}))

    def _trace_fields(self, trace: Trace, *, explicit: bool) -> list[Field]:
        fields = [
            *self._said("name", trace.name, lambda: "stale name", nullable=True),
            *self._said("userId", trace.user_id, lambda: "user-stale"),
            *self._said("sessionId", trace.session_id, lambda: "session-stale"),
            *self._said("release", trace.release, lambda: "r0"),
            *self._said("version", trace.version, lambda: "0.0-stale"),
            *self._said("externalId", trace.external_id, lambda: "stale"),
            *self._body("input", trace.input),
            *self._body("output", trace.output),
        ]
        if trace.public:
            fields.append(Field(("public",), True, "any", bool))
        if trace.tags:
            fields.append(Field(("tags",), trace.tags, "union", list))
        if trace.metadata is not None:
            fields.append(Field(("metadata",), trace.metadata, "deep", dict))
        if explicit:
            fields.append(
                Field(("timestamp",), self._time(trace.timestamp), "first", self._later(trace.timestamp), (None,))
            )
        return fields

    def _said(self, name: str, value: Any, stale: Callable[[], Any], *, nullable: bool = False) -> list[Field]:
        """A field whose latest word wins. `nullable`: a null is a word, and can be the last one."""
        if value is None:
            return [Field((name,), None, "latest", stale)] if nullable and self._rng.random() < 0.3 else []
        nothing = () if nullable or name in _NULL_IS_A_VALUE else (None,)
        return [Field((name,), value, "latest", stale, nothing)]

    def _level(self, one: Observation) -> list[Field]:
        if one.level == "DEFAULT" and self._rng.random() < 0.8:
            return []
        said = None if one.level == "DEFAULT" and self._rng.random() < 0.5 else one.level
        return [Field(("level",), said, "latest", lambda: "ERROR", ("NO SUCH LEVEL",))]

    def _body(self, name: str, value: str | None) -> list[Field]:
        """Text is sent as it is, JSON as JSON."""
        if value is None:
            return []
        said = orjson.loads(value) if value[:1] in ("{", "[") else value
        return [Field((name,), said, "truthy", self._texts.short, (None, ""))]

    def _environment(self, environment: str) -> list[Field]:
        if environment == "default":
            return []
        return [Field(("environment",), environment, "first", lambda: "stale-env", (None,))]

    def _time(self, at: datetime | None) -> str | None:
        return None if at is None else self.time(at)

    def _later(self, at: datetime) -> Callable[[], str]:
        """Draws a later time."""
        return lambda: self.time(at + timedelta(microseconds=self._rng.randrange(1, 100 * MINUTE_US)))


_NULL_IS_A_VALUE: Final = frozenset({"name", "userId", "sessionId", "release", "externalId"})
_OPENAI_KINDS: Final = frozenset({"input", "output", "total", "input_cached_tokens", "output_reasoning_tokens"})


def _is_generation(telling: Telling) -> bool:
    return telling.type.startswith("generation-")


def _may_have_model(telling: Telling) -> bool:
    return not telling.type.startswith("span-")


def _openai_usage(usage: dict[str, int]) -> dict[str, Any]:
    """Counts as OpenAI's API gives them: cached tokens within the prompt, reasoning within the completion."""
    cached, reasoning = usage["input_cached_tokens"], usage.get("output_reasoning_tokens", 0)
    details: dict[str, Any] = {"cached_tokens": cached}
    said: dict[str, Any] = {
        "prompt_tokens": usage["input"] + cached,
        "completion_tokens": usage["output"] + reasoning,
        "total_tokens": usage["total"],
        "prompt_tokens_details": details,
    }
    if "output_reasoning_tokens" in usage:
        said["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return said
