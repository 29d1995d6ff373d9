"""What is sent at once, so that each time-out is for so many bytes."""

from tailrace.assembler.sender import Message, slices


def _messages(*sizes: int) -> list[Message]:
    return [Message("assembled", 0, b"%d" % number, bytes(size)) for number, size in enumerate(sizes)]


def test_a_slice_has_messages_in_order_up_to_its_bytes_and_always_one() -> None:
    cut = [[len(message.value) for message in some] for some in slices(_messages(3, 3, 4, 50, 1, 9, 1), 10)]

    assert cut == [[3, 3, 4], [50], [1, 9], [1]]


def test_nothing_is_no_slice() -> None:
    assert list(slices([], 10)) == []
