"""`schemas/events`: what the code says, and what real senders and our own processes write."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import ValidationError, validate

from tailrace.admin.event_schemas import generate, main
from tailrace.wire.records import AssembledRecord, DeadLetter, DeadLetterRecord, encode_record

REPOSITORY = Path(__file__).parents[2]
NOW = datetime(2026, 1, 2, tzinfo=UTC)
LETTER = DeadLetter(
    project_id="p",
    sequence=0,
    reason="invalid_event",
    detail="expected a name",
    entity=None,
    content_kind="ingestion",
    payload=b"{}",
    received_at=NOW,
)
ASSEMBLED = AssembledRecord(
    epoch=1,
    owner=UUID(int=1),
    partition=0,
    origin=7,
    previous=6,
    fingerprint="00",
    received_at=NOW,
    dead_letters=[LETTER],
)


def check(document: object, name: str) -> None:
    """Raises ValidationError."""
    schema: dict[str, Any] = json.loads(generate()[name])
    validate(document, schema)


def recorded_batches() -> list[Path]:
    indexes = (REPOSITORY / "tests/payloads").glob("*/index.json")
    return [
        index.parent / request["file"]
        for index in indexes
        for request in json.loads(index.read_text())["requests"]
        if request["path"] == "/api/public/ingestion"
    ]


def test_the_committed_schemas_are_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--directory", str(REPOSITORY / "schemas/events")]) == 0, capsys.readouterr().err


def test_drift_is_named_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--directory", str(tmp_path)]) == 1
    assert "ingestion.schema.json is not what the code says; run `make schemas`" in capsys.readouterr().err
    assert main(["--directory", str(tmp_path)]) == 0
    assert main(["--check", "--directory", str(tmp_path)]) == 0


def test_what_real_clients_send_fits() -> None:
    batches = recorded_batches()
    assert batches
    for path in batches:
        check(json.loads(path.read_text()), "ingestion.schema.json")


@pytest.mark.parametrize(
    "event",
    [
        {"id": "1", "type": "made-up", "timestamp": "2026-01-02T00:00:00Z", "body": {}},
        {"id": "1", "type": "span-create", "timestamp": "2026-01-02T00:00:00Z", "body": {}},
        {"id": "1", "type": "score-create", "timestamp": "2026-01-02T00:00:00Z", "body": {"name": "n"}},
        {"id": "", "type": "trace-create", "timestamp": "2026-01-02T00:00:00Z", "body": {}},
    ],
)
def test_an_event_that_would_be_refused_does_not_fit(event: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        check({"batch": [event]}, "ingestion.schema.json")


@pytest.mark.parametrize("record", [ASSEMBLED, DeadLetterRecord(partition=0, origin=7, letter=LETTER)])
def test_what_our_processes_write_fits(record: AssembledRecord | DeadLetterRecord) -> None:
    check(json.loads(encode_record(record)), "records.schema.json")
