"""`make schemas`: the records of `wire` in, JSON Schemas of what crosses a boundary out, into `schemas/events`.

`python -m tailrace.admin.event_schemas` writes, `--check` only compares and fails on drift. Never run by a service.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tailrace.runtime.resources import schemas
from tailrace.wire.event_bodies import MAX_ID_CHARACTERS, ObservationBody, ScoreBody, TraceBody
from tailrace.wire.events import KIND_OF_TYPE, LOG_TYPE, EntityKind
from tailrace.wire.records import AssembledRecord, CostPartsRecord, DeadLetterRecord
from tailrace.wire.repricing import Repricing

_dialect: Final = "https://json-schema.org/draft/2020-12/schema"
_bodies: Final[dict[EntityKind, type[msgspec.Struct]]] = {
    "trace": TraceBody,
    "observation": ObservationBody,
    "score": ScoreBody,
}
_records: Final = (AssembledRecord, CostPartsRecord, DeadLetterRecord, Repricing)


def generate() -> dict[str, str]:
    """The generated files by name."""
    documents = {"ingestion.schema.json": _ingestion(), "records.schema.json": _between_processes()}
    return {name: json.dumps(document, indent=2) + "\n" for name, document in documents.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tailrace.admin.event_schemas", description="Write the JSON Schemas."
    )
    parser.add_argument("--check", action="store_true", help="only compare; fail if the files would change")
    parser.add_argument("--directory", type=Path, help="the folder (default: schemas/events of the checkout)")
    options = parser.parse_args(arguments)
    directory: Path = options.directory or schemas() / "events"
    return _check(directory) if options.check else _write(directory)


def _check(directory: Path) -> int:
    stale = [name for name, text in generate().items() if not _has(directory / name, text)]
    for name in stale:
        print(f"schemas: {directory / name} is not what the code says; run `make schemas`", file=sys.stderr)
    return 1 if stale else 0


def _write(directory: Path) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in generate().items():
        (directory / name).write_text(text, encoding="utf-8")
        print(f"schemas: wrote {directory / name}")
    return 0


def _has(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _ingestion() -> dict[str, Any]:
    """The body of POST /api/public/ingestion; what an event's body is follows from its type."""
    references, definitions = msgspec.json.schema_components(_bodies.values())
    of_kind = dict(zip(_bodies, references, strict=True))
    event: dict[str, Any] = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARACTERS},
            "type": {"enum": [*KIND_OF_TYPE, LOG_TYPE]},
            "timestamp": {"type": "string", "format": "date-time"},
            "body": {},
        },
        "required": ["id", "type", "timestamp", "body"],
        "allOf": [
            {
                "if": {"properties": {"type": {"enum": _types_of(kind)}}},
                "then": {"properties": {"body": reference}},
            }
            for kind, reference in of_kind.items()
        ],
    }
    return {
        "$schema": _dialect,
        "title": "A batch",
        "description": "The body of POST /api/public/ingestion. Events that do not fit are answered one by one; unknown fields are kept out.",
        "type": "object",
        "properties": {"batch": {"type": "array", "items": {"$ref": "#/$defs/Event"}}},
        "required": ["batch"],
        "$defs": {"Event": event, **definitions},
    }


def _types_of(kind: EntityKind) -> list[str]:
    return [event_type for event_type, its_kind in KIND_OF_TYPE.items() if its_kind == kind]


def _between_processes() -> dict[str, Any]:
    references, definitions = msgspec.json.schema_components(_records)
    return {
        "$schema": _dialect,
        "title": "Records between processes",
        "description": "A record of observations.assembled, cost.parts or observations.dead, or a repricing in observations.raw.",
        "anyOf": list(references),
        "$defs": definitions,
    }


if __name__ == "__main__":
    sys.exit(main())
