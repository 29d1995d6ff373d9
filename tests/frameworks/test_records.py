"""What real instrumentation packages sent, mapped, folded and priced: nothing is refused, and each field of the matrix is right, absent, or a gap
that we know of."""

import json
from typing import Any

import pytest

from tests.frameworks.catalogue import CATALOGUE, FOLDER, RECORDS
from tests.frameworks.js.catalogue import FRAMEWORKS
from tests.frameworks.matrix import FIELDS, cells
from tests.frameworks.readme import MATRIX, README, matrix, matrix_in, packages
from tests.frameworks.recording import MAX_RECORD_BYTES, read_expected, read_requests
from tests.frameworks.replay import absent_of, count_events, known_gaps, records, replay_of

every_record = pytest.mark.parametrize("name", records())


def cell(name: str, field: str) -> Any:
    """The parameters of one named test; a known gap must fail, and is struck from the file once it does not."""
    gap = known_gaps(name).get(field)
    marks = [pytest.mark.xfail(strict=True, reason=gap)] if gap else []
    return pytest.param(name, field, id=f"{name}-{field}", marks=marks)


@every_record
def test_nothing_is_refused_and_every_event_is_counted(name: str) -> None:
    replay = replay_of(name)
    requests = read_requests(RECORDS / name, read_expected(RECORDS / name)["requests"])
    assert [reject for mapped in replay.mapped for reject in mapped.rejects] == []
    assert [mapped.events for mapped in replay.mapped] == [count_events(request) for request in requests]


@pytest.mark.parametrize(("name", "field"), [cell(name, field) for name, field in cells()])
def test_the_replay_shows(name: str, field: str) -> None:
    check, replay = FIELDS[field], replay_of(name)
    if field in absent_of(name):
        found = check.trace_of(replay)
        assert found is None, f"declared as absent, but {found}"
    else:
        failure = check.failure(replay)
        assert failure is None, failure


@every_record
def test_what_is_declared_of_a_record_is_of_its_story_and_has_a_reason(name: str) -> None:
    fields = {field for record, field in cells() if record == name}
    assert absent_of(name).keys() | known_gaps(name).keys() <= fields
    assert absent_of(name).keys().isdisjoint(known_gaps(name))
    assert all([*absent_of(name).values(), *known_gaps(name).values()])


@every_record
def test_a_record_is_small_and_names_no_machine(name: str) -> None:
    bodies = [path.read_bytes() for path in (RECORDS / name).iterdir()]
    assert sum(map(len, bodies)) <= MAX_RECORD_BYTES
    for sign in (b"/tmp/", b"127.0.0.1", b"localhost", b"host.name", b"process.pid"):
        assert not any(sign in body for body in bodies), sign


def test_every_run_has_a_record_and_every_record_a_run() -> None:
    assert records() == sorted([*CATALOGUE, *(f"js-{name}" for name in FRAMEWORKS)])


def test_every_gap_is_the_senders() -> None:
    """What stands in a record and is not read belongs into the mapping, not into the list."""
    gaps = json.loads((FOLDER / "known_gaps.json").read_text(encoding="utf-8"))
    assert gaps.keys() == {"sender", "mapping"}
    assert gaps["mapping"] == {}
    assert gaps["sender"].keys() <= set(records())


def test_the_readme_lists_what_is_recorded() -> None:
    assert README.read_text(encoding="utf-8").endswith(packages())


def test_the_matrix_of_the_document_is_what_the_tests_show() -> None:
    assert matrix_in(MATRIX.read_text(encoding="utf-8")) == matrix(), "run `python -m tests.frameworks --table`"
