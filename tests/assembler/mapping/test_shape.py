"""What the names of attributes tell is the same whether it was worked out before or not, and what is kept is small."""

import pytest

from tailrace.assembler.mapping import shape
from tailrace.assembler.mapping.shape import shape_of


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("langfuse.observation.model.name", "speaks_of_model"),
        ("gen_ai.request.temperature", "has_request_parameters"),
        ("langfuse.prompt.name", "names_prompt"),
        ("llm.input_messages.0.message.role", "has_indexed_bodies"),
        ("ai.telemetry.metadata.team", "has_metadata"),
        ("langfuse.trace.metadata.team", "has_metadata"),
        ("langfuse.trace.tags", "updates_trace"),
    ],
)
def test_a_name_tells_what_it_speaks_of(name: str, told: str) -> None:
    assert getattr(shape_of([name, "other"]), told)
    assert not getattr(shape_of(["other"]), told)


def test_names_for_one_thing_come_in_the_order_in_which_they_count() -> None:
    given = ["session.id", "user.id", "langfuse.user.id", "tag.tags", "langfuse.trace.tags"]

    assert shape_of(given).user_ids == ("langfuse.user.id", "user.id")
    assert shape_of(reversed(given)).tags == shape_of(given).tags == ("langfuse.trace.tags", "tag.tags")


@pytest.mark.parametrize("names", [[f"user.id{number}" for number in range(101)], ["x" * 4_001]], ids=["many", "long"])
def test_shapes_of_many_or_long_names_are_not_kept(names: list[str]) -> None:
    before = shape._known.cache_info().currsize  # pyright: ignore[reportPrivateUsage]
    found = shape_of([*names, "user.id"])

    assert found.user_ids == ("user.id",)
    assert shape._known.cache_info().currsize == before  # pyright: ignore[reportPrivateUsage]
