"""What is sent at once, so that each time-out is for so many bytes."""

import msgspec
import pytest

from tailrace.assembler import sender
from tailrace.assembler.sender import Message, cost_messages, slices
from tailrace.wire.records import CostPart, CostPartsRecord, decode_record
from tailrace.wire.topics import partition_of, topics_of
from tests.meter.parts import make_part
from tests.sink.records import make_record

TOPICS = topics_of("")


def _messages(*sizes: int) -> list[Message]:
    return [Message("assembled", 0, b"%d" % number, bytes(size)) for number, size in enumerate(sizes)]


def test_a_slice_has_messages_in_order_up_to_its_bytes_and_always_one() -> None:
    cut = [[len(message.value) for message in some] for some in slices(_messages(3, 3, 4, 50, 1, 9, 1), 10)]

    assert cut == [[3, 3, 4], [50], [1, 9], [1]]


def test_nothing_is_no_slice() -> None:
    assert list(slices([], 10)) == []


def _heard(*parts_of_records: list[CostPart], partitions: int = 4) -> dict[int, list[CostPartsRecord]]:
    """By partition of the cost topic, what a batch of records with these parts tells."""
    records = [make_record(origin, cost_parts=parts) for origin, parts in enumerate(parts_of_records)]
    heard: dict[int, list[CostPartsRecord]] = {}
    for message in cost_messages(TOPICS, records, partitions):
        assert (message.topic, message.key) == (TOPICS.cost_parts, None)
        heard.setdefault(message.partition, []).append(decode_record(message.value, CostPartsRecord))
    return heard


def test_a_part_that_several_records_change_is_told_once_as_it_is_in_the_end() -> None:
    part = make_part()
    later = msgspec.structs.replace(part, total_tokens=part.total_tokens + 5)
    ((told,),) = _heard([part], [], [later], []).values()

    assert told.parts == [later]
    assert (told.partition, told.epoch, told.origin) == (0, 7, 3)


def test_each_user_is_told_to_the_partition_of_its_meter_and_users_share_a_message() -> None:
    users = [f"user-{number}" for number in range(30)]
    heard = _heard([msgspec.structs.replace(make_part(), user_id=user) for user in users])

    assert all(len(messages) == 1 for messages in heard.values())
    assert {part.user_id: target for target, (told,) in heard.items() for part in told.parts} == {
        user: partition_of(make_part().project_id, user, 4) for user in users
    }


def test_very_many_parts_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "MOST_PARTS", 10)
    parts = [msgspec.structs.replace(make_part(), model=f"model-{number}") for number in range(25)]
    (messages,) = _heard(parts).values()

    assert [len(told.parts) for told in messages] == [10, 10, 5]


def test_records_without_costs_tell_nothing() -> None:
    assert _heard([], []) == {}
