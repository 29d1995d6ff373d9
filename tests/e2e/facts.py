"""One shape for what was expected and for what each API answers, so that a test compares two dicts by name.

In: `Expected…` of `expected`, or JSON of the v1, v2 and v3 API or of the tree. Out: dicts of facts. It repairs and rounds nothing.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from tests.e2e.expected import STORY, ExpectedScore, ExpectedTrace

Facts = dict[str, Any]

# gpt-4o-mini: 0.15 USD for a million tokens in, 0.60 USD for a million out, so 0.00000015 and 0.0000006 USD for one.
#   1200 in x 0.00000015 = 0.00018
#    340 out x 0.0000006 = 0.000204
#                          0.000384
COSTS = {"input": Decimal("0.00018"), "output": Decimal("0.000204"), "total": Decimal("0.000384")}
TOTAL_COST = Decimal("0.000384")

_same = ("name", "type", "level", "statusMessage", "model", "version", "environment")
_trace_same = ("name", "userId", "sessionId", "tags", "version", "release", "environment", "public")


def expected_observations(expected: ExpectedTrace) -> dict[str, Facts]:
    """What every reader must see of the observations."""
    return {
        name: {
            "name": name,
            "type": each.type,
            "parent": each.parent,
            "input": each.input,
            "output": each.output,
            "level": each.level,
            "statusMessage": each.status_message,
            "model": each.model,
            "modelParameters": each.model_parameters,
            "usage": each.usage,
            "costs": COSTS if each.type == "GENERATION" else {},
            "totalCost": TOTAL_COST if each.type == "GENERATION" else None,
            "metadata": each.metadata,
            "version": each.version,
            "environment": each.environment,
        }
        for name, each in expected.observations.items()
    }


def observations_v1(found: Iterable[Mapping[str, Any]]) -> dict[str, Facts]:
    """v1 observations, as objects of a trace or of a list."""
    return _by_name(
        found,
        lambda each: {
            "input": plain(each["input"]),
            "output": plain(each["output"]),
            "metadata": _told_metadata(plain(each["metadata"])),
            "totalCost": each["calculatedTotalCost"],
        },
    )


def observations_v2(found: Iterable[Mapping[str, Any]]) -> dict[str, Facts]:
    """v2 observations with input and output as raw text and metadata with dotted keys."""
    return _by_name(
        found,
        lambda each: {
            "input": _parsed(each["input"]),
            "output": _parsed(each["output"]),
            "metadata": _nested(plain(each["metadata"])),
            "totalCost": each["totalCost"],
        },
    )


def observations_of_tree(nodes: Iterable[Mapping[str, Any]]) -> dict[str, Facts]:
    """The observations of the nodes of a tree with bodies; its amounts are texts."""
    known = list(nodes)
    own = {node["observation"]["id"]: _amount(node["own"]["cost"]) for node in known}
    return _by_name(
        ({**node["observation"], "costDetails": _amounts(node["observation"]["costDetails"])} for node in known),
        lambda each: {
            "input": plain(each["input"]),
            "output": plain(each["output"]),
            "metadata": _told_metadata(plain(each["metadata"])),
            "totalCost": own[each["id"]],
        },
    )


def expected_trace_facts(expected: ExpectedTrace) -> Facts:
    """What every reader must see of the trace."""
    return {
        "name": expected.name,
        "userId": expected.user_id,
        "sessionId": expected.session_id,
        "tags": expected.tags,
        "metadata": expected.metadata,
        "input": expected.input,
        "output": expected.output,
        "version": expected.version,
        "release": expected.release,
        "environment": expected.environment,
        "public": False,
    }


def trace_facts(found: Mapping[str, Any]) -> Facts:
    """A trace of v1, of a session, or above a tree with bodies."""
    facts = {name: found[name] for name in _trace_same}
    bodies = {name: plain(found[name]) for name in ("input", "output")}
    return facts | bodies | {"metadata": _told_metadata(plain(found["metadata"]))}


def expected_scores(expected: ExpectedTrace) -> dict[str, Facts]:
    """What every reader must see of the scores; `value` is the typed one of v3."""
    return {name: _expected_score(each) for name, each in expected.scores.items()}


def scores_v1(found: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, Facts]:
    """v1 and v2 scores. `names`: names of observations by id."""
    return {
        each["name"]: {
            "dataType": each["dataType"],
            "value": each["value"] if each["dataType"] == "NUMERIC" else each["stringValue"],
            "comment": each.get("comment"),
            "environment": each["environment"],
            "observation": names.get(each.get("observationId") or ""),
        }
        for each in found
    }


def scores_v3(found: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, Facts]:
    """v3 scores with details and subject. `names`: names of observations by id."""
    return {
        each["name"]: {
            "dataType": each["dataType"],
            "value": each["value"],
            "comment": each.get("comment"),
            "environment": each["environment"],
            "observation": names.get(each["subject"]["id"]),
        }
        for each in found
    }


def names_by_id(observations: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {each["id"]: each["name"] for each in observations}


def plain(value: Any) -> Any:
    """The value with floats for decimals, as what was sent has them."""
    if isinstance(value, dict):
        items: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return {key: plain(each) for key, each in items.items()}
    if isinstance(value, list):
        members: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return [plain(each) for each in members]
    return float(value) if isinstance(value, Decimal) else value


def _expected_score(each: ExpectedScore) -> Facts:
    return {
        "dataType": each.data_type,
        "value": Decimal(str(each.value)) if each.data_type == "NUMERIC" else each.string_value,
        "comment": each.comment,
        "environment": each.environment,
        "observation": each.observation,
    }


def _by_name(found: Iterable[Mapping[str, Any]], rest: Callable[[Mapping[str, Any]], Facts]) -> dict[str, Facts]:
    known = list(found)
    names = names_by_id(known)
    return {
        each["name"]: {name: each.get(name) for name in _same}
        | {
            "parent": names.get(each.get("parentObservationId") or ""),
            "modelParameters": plain(each.get("modelParameters")) or {},
            "usage": each["usageDetails"],
            "costs": each["costDetails"],
        }
        | rest(each)
        for each in known
    }


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _amounts(texts: Mapping[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in texts.items()}


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _told_metadata(metadata: Mapping[str, Any]) -> Facts:
    """What the story tells; servers add keys of their own."""
    return {key: value for key, value in metadata.items() if key in STORY["metadata"]}


def _nested(flat: Mapping[str, Any]) -> Facts:
    """The told keys, those of the order put together again from dotted ones."""
    order = {key.removeprefix("order."): value for key, value in flat.items() if key.startswith("order.")}
    return _told_metadata(flat) | ({"order": order} if order else {})
