"""What the names of attributes tell is the same whether it was worked out before or not, and what is kept is small."""

import pytest

from tailrace.assembler.mapping import genai, genkit, langfuse, livekit, shape
from tailrace.assembler.mapping.shape import shape_of


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("langfuse.observation.model.name", "speaks_of_model"),
        ("langfuse.observation.type", "types"),
        ("logfire.msg", "names"),
        ("llm.model_name", "models"),
        ("gen_ai.request.temperature", "parameters"),
        ("langfuse.prompt.name", "prompts"),
        ("ai.stream.msToFirstChunk", "completion_starts"),
        ("logfire.level_num", "levels"),
        ("llm.input_messages.0.message.role", "bodies"),
        ("llm.tools.0.tool.json_schema", "tools"),
        ("ai.telemetry.metadata.team", "has_metadata"),
        ("langfuse.trace.metadata.team", "has_metadata"),
        ("langfuse.trace.tags", "updates_trace"),
    ],
)
def test_a_name_tells_what_it_speaks_of(name: str, told: str) -> None:
    assert getattr(shape_of([name, "other"], ""), told)
    assert not getattr(shape_of(["other"], ""), told)


def test_a_span_of_langfuse_alone_asks_no_other_convention() -> None:
    names = ["langfuse.observation.type", "langfuse.observation.input", "langfuse.observation.model.name", "user.id"]
    found = shape_of(names, "")
    assert found.types[0] == langfuse.observation_type
    assert found.bodies == (langfuse.bodies,)
    assert (found.names, found.parameters, found.prompts, found.levels, found.tools) == ((),) * 5


def test_what_is_bound_to_a_scope_is_only_asked_there() -> None:
    assert shape_of(["genkit:input"], genkit.SCOPE).bodies == (genkit.bodies,)
    assert shape_of(["genkit:input"], "").bodies == ()
    assert shape_of([], livekit.SCOPE).levels == (livekit.level,)


def test_events_are_only_looked_into_where_there_are_some() -> None:
    found = shape_of(["input"], "")
    assert len(found.bodies) == 1
    assert set(found.bodies_with_events) - set(found.bodies) == {
        genai.bodies_of_details_event,
        genai.bodies_of_message_events,
        genai.bodies_of_content_events,
    }


def test_names_for_one_thing_come_in_the_order_in_which_they_count() -> None:
    given = ["session.id", "user.id", "langfuse.user.id", "tag.tags", "langfuse.trace.tags"]

    assert shape_of(given, "").user_ids == ("langfuse.user.id", "user.id")
    assert shape_of(reversed(given), "").tags == shape_of(given, "").tags == ("langfuse.trace.tags", "tag.tags")


@pytest.mark.parametrize("names", [[f"user.id{number}" for number in range(101)], ["x" * 4_001]], ids=["many", "long"])
def test_shapes_of_many_or_long_names_are_not_kept(names: list[str]) -> None:
    before = shape._known.cache_info().currsize  # pyright: ignore[reportPrivateUsage]
    found = shape_of([*names, "user.id"], "")

    assert found.user_ids == ("user.id",)
    assert shape._known.cache_info().currsize == before  # pyright: ignore[reportPrivateUsage]
