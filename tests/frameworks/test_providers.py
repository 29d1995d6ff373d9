"""The fake providers bill what they say, and say it as each API does."""

import struct
from zlib import crc32

import httpx
import pytest

from tests.frameworks.providers import serving
from tests.frameworks.providers.bedrock_api import frame
from tests.frameworks.providers.story import FAILING, REFUSAL, TOKENS, Tokens


def test_tokens_of_a_category_that_an_api_cannot_tell_are_counted_as_another() -> None:
    tokens = Tokens(input=1, input_cached=2, output=3, output_reasoning=4)
    assert tokens.without(output_reasoning="output", input_cached="input") == Tokens(input=3, output=7)
    assert tokens.total == 10


@pytest.mark.parametrize("kind", ["plain", "streamed", "tool", "after_tool", "audio"])
def test_no_two_counts_of_an_answer_are_the_same(kind: str) -> None:
    counts = [count for name, tokens in TOKENS.items() if name == kind for count in tokens.told().values()]
    assert len(set(counts)) == len(counts) > 0


def test_a_chat_is_billed_as_it_is_said() -> None:
    question = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hello"}], "seed": 7}
    with serving() as providers:
        said = httpx.post(f"{providers.url}/v1/chat/completions", json=question).json()["usage"]
        (call,) = providers.bill.take()
        assert providers.bill.take() == []
    assert call.said == said
    assert said["prompt_tokens"] == sum(units for key, units in call.usage.items() if key.startswith("input"))
    assert said["completion_tokens"] == sum(units for key, units in call.usage.items() if key.startswith("output"))
    assert said["prompt_tokens_details"]["cached_tokens"] == call.usage["input_cached"]
    assert (call.model, call.answered_model, call.parameters) == ("gpt-5-mini", "gpt-5-mini-2025-08-07", {"seed": 7})


def test_a_stream_that_was_not_asked_for_its_usage_is_billed_and_says_none() -> None:
    question = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    with serving() as providers:
        text = httpx.post(f"{providers.url}/v1/chat/completions", json=question).text
        (call,) = providers.bill.take()
    assert "usage" not in text
    assert text.endswith("data: [DONE]\n\n")
    assert call.said is None
    assert call.usage


def test_a_refusal_is_billed_nothing() -> None:
    question = {"model": "claude-sonnet-4-5", "max_tokens": 5, "messages": [{"role": "user", "content": FAILING}]}
    with serving() as providers:
        response = httpx.post(f"{providers.url}/v1/messages", json=question)
        (call,) = providers.bill.take()
    assert (response.status_code, response.json()["error"]["message"]) == (400, REFUSAL)
    assert (call.status, call.usage, call.said) == (400, {}, None)


def test_a_frame_of_an_event_stream_states_its_lengths_and_checksums() -> None:
    message = frame("messageStop", {"stopReason": "end_turn"})
    length, headers_length = struct.unpack(">II", message[:8])
    assert length == len(message)
    assert struct.unpack(">I", message[8:12])[0] == crc32(message[:8])
    assert struct.unpack(">I", message[-4:])[0] == crc32(message[:-4])
    assert message[12 + headers_length : -4] == b'{"stopReason": "end_turn"}'
