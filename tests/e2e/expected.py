"""What a reader must find of the story that every client writes, and how the SDKs differ, as data.

In: tests/e2e/clients/story.json and the marker and start time of a run. Out: an `ExpectedTrace` per client. Costs are not
stated here: they follow from the usage and the price table. A field that an SDK cannot carry is stated as what a reader
sees instead (None, or the server's default).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

STORY: Mapping[str, Any] = json.loads((Path(__file__).parent / "clients" / "story.json").read_text(encoding="utf-8"))


@dataclass(frozen=True, kw_only=True)
class Differences:
    """How one SDK departs from the plain case; every field's default is the plain case.

    `spans` and `scores` name the transport: OTLP as gzip'd or plain protobuf or as JSON, events of the batch endpoint,
    a JSON list or single objects to the score endpoint.
    """

    spans: Literal["protobuf", "protobuf+gzip", "json", "events"]
    scores: Literal["events", "list", "single"]
    has_root_span: bool = True
    """False: the outermost function is the trace itself, its children have no parent observation."""
    root_has_unsent_parent: bool = False
    """True: the root span names a parent that never arrives, and is the root all the same."""
    version_on_children: bool = False
    """True: trace-level attributes are propagated, so every observation carries the version, not the root only."""
    root_has_metadata: bool = True
    """False: the metadata is on the trace alone."""
    inputs_are_arguments: bool = False
    """True: the input of a decorated function is {"args": [...], "kwargs": {}}."""
    floats_become_text: bool = False
    """True: a float in the model parameters is sent as a string."""
    gen_ai_messages: bool = False
    """True: the generation's messages have the shape of OpenTelemetry's gen_ai attributes."""
    score_environment: str = STORY["environment"]
    scores_have_time: bool = True
    """False: a score is posted without a time, and is as old as its receipt."""
    exact_times: bool = False
    """True: start and end are as many milliseconds after the run's start time as in MILLISECONDS."""
    ended_seconds: Mapping[str, int] = field(default_factory=dict[str, int])
    """End times, in seconds after the run's start time, by part: the only times that this SDK lets one set."""
    stable_ids: bool = False
    """True: a second run with the same marker and start time writes to the same ids."""


DIFFERENCES: Mapping[str, Differences] = {
    "python-5": Differences(spans="protobuf+gzip", scores="list", version_on_children=True),
    "python-4": Differences(spans="protobuf", scores="events", version_on_children=True, root_has_unsent_parent=True),
    "python-3": Differences(spans="protobuf", scores="events"),
    "python-2": Differences(
        spans="events",
        scores="events",
        has_root_span=False,
        inputs_are_arguments=True,
        floats_become_text=True,
        ended_seconds={"generation": 10, "nested": 11, "failed": 12},
        stable_ids=True,
    ),
    "js-5": Differences(spans="json", scores="events", version_on_children=True),
    "js-4": Differences(spans="json", scores="events"),
    "js-3": Differences(spans="events", scores="events", exact_times=True, stable_ids=True),
    "otlp": Differences(
        spans="protobuf+gzip",
        scores="single",
        root_has_metadata=False,
        gen_ai_messages=True,
        score_environment="default",
        scores_have_time=False,
        exact_times=True,
        stable_ids=True,
    ),
}

MILLISECONDS = {"root": (0, 1000), "nested": (10, 800), "generation": (20, 700), "failed": (810, 900)}
PARENTS = {"root": None, "nested": "root", "generation": "nested", "failed": "root"}


@dataclass(frozen=True, kw_only=True)
class ExpectedObservation:
    """One observation as a reader should find it. `parent` is a name; times are None where the SDK took its own.

    `metadata` holds the keys that must be there with just these values; a server may add keys of its own.
    """

    name: str
    type: Literal["SPAN", "GENERATION"]
    parent: str | None
    input: Any
    output: Any
    level: Literal["DEFAULT", "ERROR"] = "DEFAULT"
    status_message: str | None = None
    model: str | None = None
    model_parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    usage: Mapping[str, int] = field(default_factory=dict[str, int])
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: str | None
    environment: str = STORY["environment"]
    started: datetime | None
    ended: datetime | None


@dataclass(frozen=True, kw_only=True)
class ExpectedScore:
    """One score; `observation` is the name of the observation it is for, None = the trace."""

    name: str
    data_type: Literal["NUMERIC", "CATEGORICAL"]
    value: float | None
    string_value: str | None
    comment: str | None
    observation: str | None
    environment: str


@dataclass(frozen=True, kw_only=True)
class ExpectedTrace:
    """The whole trace; `observations` and `scores` are by name."""

    name: str
    user_id: str
    session_id: str
    tags: list[str]
    metadata: Mapping[str, Any]
    input: Any
    output: Any
    version: str
    release: str
    environment: str
    started: datetime | None
    root_has_unsent_parent: bool
    observations: Mapping[str, ExpectedObservation]
    scores: Mapping[str, ExpectedScore]


def expected_trace(client: str, marker: str, at: datetime) -> ExpectedTrace:
    """The trace that `client` writes when run with this marker and start time."""
    differences = DIFFERENCES[client]
    parts = [part for part in PARENTS if part != "root" or differences.has_root_span]
    observations = [_observation(part, differences, at) for part in parts]
    scores = [_score(target, differences) for target in ("trace", "generation")]
    return ExpectedTrace(
        name=f"{STORY['name']} {marker}",
        user_id=f"user-{marker}",
        session_id=f"session-{marker}",
        tags=STORY["tags"],
        metadata=STORY["metadata"],
        input=STORY["root"]["input"],
        output=STORY["root"]["output"],
        version=STORY["version"],
        release=STORY["release"],
        environment=STORY["environment"],
        started=at if differences.exact_times else None,
        root_has_unsent_parent=differences.root_has_unsent_parent,
        observations={each.name: each for each in observations},
        scores={each.name: each for each in scores},
    )


def _observation(part: str, differences: Differences, at: datetime) -> ExpectedObservation:
    told = STORY[part]
    parent = PARENTS[part]
    started, ended = _times(part, differences, at)
    is_model_call = part == "generation"
    return ExpectedObservation(
        name=told["name"],
        type="GENERATION" if is_model_call else "SPAN",
        parent=STORY[parent]["name"] if parent and (parent != "root" or differences.has_root_span) else None,
        input=_input(part, differences),
        output=_gen_ai_output() if is_model_call and differences.gen_ai_messages else told.get("output"),
        level=told.get("level", "DEFAULT"),
        status_message=told.get("statusMessage"),
        model=told.get("model"),
        model_parameters=_model_parameters(differences) if is_model_call else {},
        usage=told.get("usage", {}),
        metadata=STORY["metadata"] if part == "root" and differences.root_has_metadata else {},
        version=STORY["version"] if part == "root" or differences.version_on_children else None,
        started=started,
        ended=ended,
    )


def _times(part: str, differences: Differences, at: datetime) -> tuple[datetime | None, datetime | None]:
    if differences.exact_times:
        first, last = MILLISECONDS[part]
        return at + timedelta(milliseconds=first), at + timedelta(milliseconds=last)
    seconds = differences.ended_seconds.get(part)
    return None, at + timedelta(seconds=seconds) if seconds is not None else None


def _input(part: str, differences: Differences) -> Any:
    told = STORY[part]["input"]
    if part == "generation":
        return [_gen_ai_message(message) for message in told] if differences.gen_ai_messages else told
    return {"args": [told], "kwargs": {}} if differences.inputs_are_arguments else told


def _gen_ai_message(message: Mapping[str, str]) -> dict[str, Any]:
    return {"role": message["role"], "parts": [{"type": "text", "content": message["content"]}]}


def _gen_ai_output() -> list[dict[str, Any]]:
    return [_gen_ai_message(STORY["generation"]["output"]) | {"finish_reason": "stop"}]


def _model_parameters(differences: Differences) -> dict[str, Any]:
    told = STORY["generation"]["modelParameters"]
    is_text = differences.floats_become_text
    return {name: str(value) if is_text and isinstance(value, float) else value for name, value in told.items()}


def _score(target: Literal["trace", "generation"], differences: Differences) -> ExpectedScore:
    told = STORY["scores"][target]
    is_text = isinstance(told["value"], str)
    return ExpectedScore(
        name=told["name"],
        data_type="CATEGORICAL" if is_text else "NUMERIC",
        value=None if is_text else told["value"],
        string_value=told["value"] if is_text else None,
        comment=told.get("comment"),
        observation=STORY["generation"]["name"] if target == "generation" else None,
        environment=differences.score_environment,
    )
