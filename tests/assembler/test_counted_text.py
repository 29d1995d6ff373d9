"""What of an input and an output is counted: chats as OpenAI documents them, other texts as they are."""

import json

import pytest

from tailrace.assembler.counted_text import Counted, count_embedded, count_input, count_output, is_more_than_text
from tailrace.core.vocabularies import Vocabulary
from tailrace.runtime.tokens import TokenCounter

COUNTER = TokenCounter()

# The example of "How to count tokens with tiktoken" in OpenAI's cookbook (MIT), whose counts the API has confirmed there.
COOKBOOK = [
    (
        "system",
        None,
        "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
    ),
    ("system", "example_user", "New synergies will help drive top-line growth."),
    ("system", "example_assistant", "Things working well together will increase revenue."),
    (
        "system",
        "example_user",
        "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
    ),
    ("system", "example_assistant", "Let's talk later when we're less busy about how to do better."),
    (
        "user",
        None,
        "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    ),
]
MESSAGES = [
    {"role": role, "content": content} | ({} if name is None else {"name": name}) for role, name, content in COOKBOOK
]


def tokens(counted: Counted, vocabulary: Vocabulary = "o200k_base") -> int:
    return sum(COUNTER.count(vocabulary, counted.texts)) + counted.extra_tokens


@pytest.mark.parametrize(("vocabulary", "published"), [("cl100k_base", 129), ("o200k_base", 124)])
def test_the_published_chat_has_its_published_tokens(vocabulary: Vocabulary, published: int) -> None:
    assert tokens(count_input(json.dumps(MESSAGES)), vocabulary) == published
    assert tokens(count_input(json.dumps({"messages": MESSAGES, "temperature": 0.5})), vocabulary) == published


def test_every_way_to_write_a_content_is_the_same_chat() -> None:
    plain = [{"role": "user", "content": "hello world"}]
    parts = [{"role": "user", "content": [{"type": "text", "text": "hello world"}]}]
    conventions = [{"role": "user", "parts": [{"type": "text", "content": "hello world"}]}]

    # 3 for the message, 1 for its role, 2 for its content, 3 that begin the answer.
    for written in (plain, plain[0], parts, conventions, {"messages": plain}):
        assert tokens(count_input(json.dumps(written))) == 9


def test_definitions_of_tools_and_calls_are_counted_as_their_json() -> None:
    call = [{"type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}]
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None, "tool_calls": call}]
    tools = [{"type": "function", "function": {"name": "weather"}}]

    counted = count_input(json.dumps({"messages": chat, "tools": tools}))

    assert json.loads(counted.texts[-2]) == call[0] or counted.texts[-2].startswith('{"type"')
    assert json.loads(counted.texts[-1]) == tools
    assert counted.extra_tokens == 3 + 3 + 3


@pytest.mark.parametrize(
    "text", ["hello world", '{"question":"hello"}', "[1,2,3]", "42", "null", '[{"role":1}]', "[]", "{not json"]
)
def test_what_is_no_chat_is_counted_as_the_text_that_it_is(text: str) -> None:
    assert count_input(text) == Counted([text]) == count_output(text)


def test_a_text_that_was_written_as_json_is_counted_without_its_quotes() -> None:
    assert count_input('"hello world"') == Counted(["hello world"])


def test_of_an_answer_only_what_the_model_wrote_is_counted() -> None:
    answer = {"role": "assistant", "content": "hello world", "refusal": None}

    assert tokens(count_output(json.dumps(answer))) == tokens(count_output(json.dumps([answer]))) == 2


def test_the_texts_of_an_embedding_are_counted_apart() -> None:
    assert count_embedded('["hello", "world"]') == Counted(["hello", "world"])
    assert count_embedded("hello") == Counted(["hello"])


def test_json_of_any_depth_is_counted() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    message = '[{"role":"user","content":' + deep + "}]"

    for text in (deep, message):
        assert tokens(count_input(text)) > 1_000
        assert tokens(count_output(text)) > 1_000


@pytest.mark.parametrize(
    "text",
    [
        '[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]',
        '[{"role":"user","content":[{"type": "input_audio","input_audio":{}}]}]',
        "see @@@langfuseMedia:type=image/jpeg|id=1|source=bytes@@@",
        '{"picture":"data:image/png;base64,AAAA"}',
    ],
)
def test_what_holds_more_than_text_is_known(text: str) -> None:
    assert is_more_than_text(text)
    assert not is_more_than_text(json.dumps(MESSAGES))
