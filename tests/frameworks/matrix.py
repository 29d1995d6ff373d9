"""What a record shows once it is mapped, folded and priced: a check for each field, and for each what must not be in a record that is declared to lack it.

Each check takes a `Replay` and gives a sentence on the first thing that is wrong, or None. Nothing here knows a framework.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from tailrace.core.money import add_money
from tailrace.wire.records import TraceRow
from tests.frameworks.invoices import INVOICE_DIGITS, invoice_of
from tests.frameworks.providers.story import REFUSAL, TOOL, TOOL_RESULT
from tests.frameworks.replay import Category, Observation, Replay, hidden_in, is_embedding, records, replay_of

USER: Final = "user-lovelace"
SESSION: Final = "session-difference-engine"
TAGS: Final = frozenset({"tag-amber", "tag-cobalt"})
REFUSALS: Final = (REFUSAL, "The prompt was refused by the content policy.")
"""What the providers of both stories answer to a call that they refuse."""
_OWN_PARAMETERS: Final = (0.25, 345)
"""What the runs ask for, whatever the parameter is called."""
_FIRST_TOKEN: Final = re.compile(r"completion_?start|first.?token|first.?chunk|ttft", re.IGNORECASE)
_COSTS: Final = (
    re.compile(r'"key": "([\w.]*cost[\w.]*)",\s+"value": \{\s+"\w+": ([^\n]*)'),
    re.compile(r'"(\w*[cC]ost\w*)": ([^,}]*)'),
)
"""A key and the begin of its value, as an attribute and as a field."""

Failure = str | None


def _always(_: Replay) -> bool:
    return True


def _never(_: Replay) -> bool:
    return False


class Field(NamedTuple):
    """How a field is checked: `failure` when it should be there, `trace_of` what of it is in a record that is said to lack it.

    `applies`: whether the story has it at all. `is_hidden`: whether the package tells it of no call, as each call of the bill says.
    """

    failure: Callable[[Replay], Failure]
    trace_of: Callable[[Replay], Failure]
    applies: Callable[[Replay], bool] = _always
    is_hidden: Callable[[Replay], bool] = _never


def has_number(text: str, number: float) -> bool:
    """Whether a text holds a number, alone and not within another or an id."""
    return re.search(rf"(?<![\w.]){re.escape(f'{number:g}')}(?:\.0)?(?![\w.])", text) is not None


def _type(replay: Replay) -> Failure:
    have = Counter(each.values["type"] for each in replay.models)
    want = Counter("EMBEDDING" if is_embedding(call) else "GENERATION" for call in replay.answered)
    return None if have >= want else f"expected at least {dict(want)}, got {dict(have)}"


def _name(replay: Replay) -> Failure:
    nameless = [each for each in replay.observations if not each.values.get("name")]
    traces = [trace_id for trace_id, trace in replay.traces.items() if not trace.name]
    return f"without a name: {nameless}, traces {traces}" if nameless or traces else None


def _model(replay: Replay) -> Failure:
    have = Counter(str(each.values.get("model")).rpartition("/")[2] for each in replay.models)
    for call in replay.answered:
        names = _names_of(call)
        found = sum(have[name] for name in names)
        wanted = sum(names == _names_of(each) for each in replay.answered)
        if found < wanted:
            return f"expected {wanted} calls of {names}, got {dict(have)}"
    return None


def _names_of(call: Mapping[str, Any]) -> set[str]:
    """The model as asked for, as answered, and without Bedrock's vendor."""
    return {call["model"], call["answered_model"], call["model"].removeprefix("anthropic.")}


def _params(replay: Replay) -> Failure:
    have = [each.values.get("model_parameters") or "" for each in replay.models]
    for call in replay.answered:
        wanted = [value for value in call["parameters"].values() if value in _OWN_PARAMETERS]
        if wanted and not any(has_number(text, value) for value in wanted for text in have):
            return f"expected {call['parameters']}, got {have}"
    return None


def _has_own_parameters(replay: Replay) -> bool:
    return any(value in _OWN_PARAMETERS for call in replay.answered for value in call["parameters"].values())


def _params_in_text(replay: Replay) -> Failure:
    found = [number for number in _OWN_PARAMETERS if has_number(replay.text, number)]
    return f"there is a {found}" if found else None


def _bodies(field: str, of_call: str) -> Callable[[Replay], Failure]:
    def failure(replay: Replay) -> Failure:
        have = [each.values.get(field) or "" for each in replay.models]
        asked = [call[of_call] for call in replay.answered if of_call not in hidden_in(call)]
        missing = [wanted for wanted in asked if not any(wanted in text for text in have)]
        return f"in no {field}: {missing}, got {have}" if missing else None

    return failure


def _bodies_in_text(of_call: str) -> Callable[[Replay], Failure]:
    """What a tool takes and gives is in the tool's own span too, and no sign of the bodies of a call."""

    def found(replay: Replay) -> Failure:
        texts = {call[of_call] for call in replay.answered} - {"", TOOL_RESULT}
        there = [text for text in texts if not text.endswith(TOOL) and text in replay.text]
        return f"there is {there}" if there else None

    return found


def _sides(usage: Mapping[Category, int]) -> tuple[int, int]:
    output = sum(units for category, units in usage.items() if category.startswith("output"))
    return sum(usage.values()) - output, output


def _usage(replay: Replay) -> Failure:
    """Each call counts once, and the tokens of its sides add up to what was billed."""
    have = Counter(_sides(each.usage) for each in replay.observations if each.usage)
    want = Counter(_sides(call["usage"]) for call in replay.counted)
    want.update(_sides(call["told_instead"]) for call in replay.answered if "told_instead" in call)
    if have == want:
        return None
    return f"(input, output) expected and missing: {dict(want - have)}, too much: {dict(have - want)}"


def _category(*categories: Category) -> Field:
    """A part of the usage, which stands beside the other parts and not within them."""

    def counts(usages: Iterable[Mapping[Category, int]]) -> Counter[tuple[int, ...]]:
        told = (tuple(usage.get(category, 0) for category in categories) for usage in usages)
        return Counter(each for each in told if any(each))

    def failure(replay: Replay) -> Failure:
        """Some packages send a category with an answer and not with a stream: what is nowhere in the record is not expected."""
        have = counts(each.usage for each in replay.observations)
        billed = counts(
            {category: units for category, units in call["usage"].items() if category not in hidden_in(call)}
            for call in replay.counted
        )
        want = {told: times for told, times in billed.items() if any(n and has_number(replay.text, n) for n in told)}
        is_right = have == want and (want or is_hidden(replay))
        return None if is_right else f"{categories}: expected {want}, got {dict(have)}"

    def found(replay: Replay) -> Failure:
        wanted = {call["usage"].get(category, 0) for call in replay.counted for category in categories} - {0}
        there = [number for number in wanted if has_number(replay.text, number)]
        return f"there is a {there}" if there else None

    def applies(replay: Replay) -> bool:
        return any(category in call["usage"] for call in replay.counted for category in categories)

    def is_hidden(replay: Replay) -> bool:
        billed = [(call, category) for call in replay.counted for category in categories if category in call["usage"]]
        return all(category in hidden_in(call) for call, category in billed)

    return Field(failure, found, applies, is_hidden)


def _usage_in_text(replay: Replay) -> Failure:
    sides = {side for call in replay.counted for side in _sides(call["usage"]) if side}
    there = [side for side in sides if has_number(replay.text, side)]
    return f"there is a {there}" if there else None


def _cost(replay: Replay) -> Failure:
    """What the traces cost is what the providers bill, each call once. A sender who tells his costs as floats may err in the last digits."""
    want = add_money(invoice_of(call) for call in replay.counted)
    have = replay.cost
    return None if round(have - want, INVOICE_DIGITS) == 0 else f"expected {want} USD, got {have}"


def _given_cost(replay: Replay) -> Failure:
    priced = [each for each in replay.models if any(_cost_of(each).values())]
    return _cost_of_nothing(replay) or (None if priced else "no observation has a cost of its sender")


def _given_cost_in_text(replay: Replay) -> Failure:
    """A cost of nothing is none: some packages send the attribute and know no price."""
    found = [key for pattern in _COSTS for key, value in pattern.findall(replay.text) if re.search("[1-9]", value)]
    return f"there is {set(found)}" if found else _cost_of_nothing(replay)


def _cost_of_nothing(replay: Replay) -> Failure:
    """What has a cost of its sender is not priced by us, so a cost of nothing must not count as one."""
    free = [each for each in replay.models if each.usage and _cost_of(each) and not any(_cost_of(each).values())]
    return f"{len(free)} calls with usage have a cost of 0 and get no price" if free else None


def _cost_of(observation: Observation) -> dict[str, Decimal]:
    return observation.values.get("provided_cost_details") or {}


def _trace_field(
    name: str, read: Callable[[TraceRow], Any], holds: Callable[[Any], bool]
) -> Callable[[Replay], Failure]:
    def failure(replay: Replay) -> Failure:
        have = [read(trace) for trace in replay.traces_of_models()]
        return None if have and all(holds(each) for each in have) else f"{name}: got {have}"

    return failure


def _in_text(*texts: str) -> Callable[[Replay], Failure]:
    def found(replay: Replay) -> Failure:
        there = [text for text in texts if text in replay.text]
        return f"there is {there}" if there else None

    return found


def _errors(replay: Replay) -> Failure:
    """A refused call is an error that says why, in the provider's words where they are in the record."""
    told_by = replay.observations if "refused_generation" in replay.untold else replay.models
    messages = [each.values.get("status_message") or "" for each in told_by if each.values["level"] == "ERROR"]
    wanted = next((refusal for refusal in REFUSALS if refusal in replay.text), "")
    return None if any(message and wanted in message for message in messages) else f"no error {wanted!r}: {messages}"


def _first_token(replay: Replay) -> Failure:
    have = sum("completion_start_time" in each.values for each in replay.models)
    want = sum(call["stream"] for call in replay.answered)
    return None if have >= want else f"expected {want} times of a first token, got {have}"


def _first_token_in_text(replay: Replay) -> Failure:
    found = _FIRST_TOKEN.findall(replay.text)
    return f"there is {set(found)}" if found else None


def _has_streams(replay: Replay) -> bool:
    return any(call["stream"] for call in replay.answered)


def _has_refusals(replay: Replay) -> bool:
    return any(call["status"] != 200 for call in replay.calls)


def _never_absent(_: Replay) -> Failure:
    return "no framework lacks this"


FIELDS: Final[Mapping[str, Field]] = {
    "type": Field(_type, _never_absent),
    "name": Field(_name, _never_absent),
    "model": Field(_model, _never_absent),
    "params": Field(_params, _params_in_text, _has_own_parameters),
    "input": Field(_bodies("input", "question"), _bodies_in_text("question")),
    "output": Field(_bodies("output", "answer"), _bodies_in_text("answer")),
    "usage": Field(_usage, _usage_in_text),
    "cost": Field(_cost, _never_absent),
    "user": Field(_trace_field("user", lambda trace: trace.user_id, lambda value: value == USER), _in_text(USER)),
    "session": Field(
        _trace_field("session", lambda trace: trace.session_id, lambda value: value == SESSION), _in_text(SESSION)
    ),
    "tags": Field(
        _trace_field("tags", lambda trace: trace.tags, lambda value: TAGS.issubset(value or ())), _in_text(*TAGS)
    ),
    "errors": Field(_errors, _in_text(*REFUSALS, '"error.type"'), _has_refusals),
    "cached": _category("input_cached"),
    "cache_creation": _category("input_cache_creation"),
    "reasoning": _category("output_reasoning"),
    "audio": _category("input_audio", "output_audio"),
    "given_cost": Field(_given_cost, _given_cost_in_text),
    "first_token": Field(_first_token, _first_token_in_text, _has_streams),
}


def cells() -> list[tuple[str, str]]:
    """Every (record, field) that the record's story has."""
    return [(name, field) for name in records() for field, check in FIELDS.items() if check.applies(replay_of(name))]
