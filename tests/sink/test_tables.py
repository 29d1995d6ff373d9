"""Which rows a batch leaves: of one key the last, and those of new entities apart."""

from datetime import timedelta
from typing import Any

from tailrace.sink.tables import TABLES, Rows, rows_of
from tailrace.wire.records import AssembledRecord, ObservationBodyRow, ObservationRow, UserRow
from tests.sink.records import NOW, make_record

LATER = NOW + timedelta(seconds=1)


def make_row(identity: str, **given: Any) -> ObservationRow:
    """A row of an observation that was made and changed at NOW."""
    fields: dict[str, Any] = {
        **dict.fromkeys(ObservationRow.__struct_fields__),
        "project_id": "x",
        "trace_id": "x",
        "id": identity,
        "day": NOW.date(),
        "created_at": NOW,
        "updated_at": NOW,
        **given,
    }
    return ObservationRow(**fields)


def make_body(identity: str, text: str) -> ObservationBodyRow:
    return ObservationBodyRow(
        project_id="x", day=NOW.date(), trace_id="x", id=identity, input=text, output=None, metadata=None
    )


def rows(name: str, *records: AssembledRecord) -> Rows:
    (table,) = (table for table in TABLES if table.name == name)
    return rows_of(table, records)


def test_a_new_observation_and_its_body_need_no_merging() -> None:
    record = make_record(1, observations=[make_row("a")], observation_bodies=[make_body("a", "first")])

    assert [len(some) for some in rows("observations", record)] == [1, 0]
    assert [len(some) for some in rows("observation_bodies", record)] == [1, 0]


def test_one_that_an_older_record_made_is_merged() -> None:
    changed = make_row("a", updated_at=LATER)
    record = make_record(2, observations=[changed], observation_bodies=[make_body("a", "second")])

    assert [len(some) for some in rows("observations", record)] == [0, 1]
    assert [len(some) for some in rows("observation_bodies", record)] == [0, 1]


def test_one_that_is_made_and_changed_in_one_batch_is_written_once_as_it_is_in_the_end() -> None:
    made = make_record(1, observations=[make_row("a")], observation_bodies=[make_body("a", "first")])
    changed = make_record(2, observations=[make_row("a", name="then", updated_at=LATER)])
    born, known = rows("observations", made, changed)

    assert (len(born), [row[5] for row in known]) == (0, ["then"])
    assert [len(some) for some in rows("observation_bodies", made, changed)] == [1, 0]


def test_a_user_has_a_row_for_each_partition() -> None:
    user = UserRow(project_id="x", id="u", first_seen_at=NOW, last_seen_at=NOW)
    records = [make_record(1, partition=number, users=[user]) for number in (0, 1, 1)]

    assert [row[-1] for row in rows("users", *records).known] == [0, 1]
