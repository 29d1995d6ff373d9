"""Which models' tokens can be counted, by the names that senders write."""

import pytest

from tailrace.core.vocabularies import vocabulary_of


@pytest.mark.parametrize(
    ("model", "vocabulary"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("openai/gpt-4o", "o200k_base"),
        ("openrouter/openai/gpt-4.1-mini", "o200k_base"),
        ("azure/gpt-35-turbo", "cl100k_base"),
        ("ft:gpt-4o-mini-2024-07-18:org::id", "o200k_base"),
        ("GPT-5.1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("openai.gpt-oss-120b-1:0", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo-2024-04-09", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
    ],
)
def test_a_model_of_a_known_family_has_its_vocabulary(model: str, vocabulary: str) -> None:
    assert vocabulary_of(model) == vocabulary


@pytest.mark.parametrize(
    "model",
    [
        "claude-sonnet-4-5",
        "gemini-2.5-pro",
        "a-model-nobody-knows",
        "gpt-4x",
        "gpt-40",
        "gpt-4.7",
        "gpt-6-sol",
        "o30",
        "mo1",
        "text-davinci-003",
        "",
        "gpt-4o" + "-x" * 1_000_000,
    ],
)
def test_of_other_models_nobody_knows_it(model: str) -> None:
    assert vocabulary_of(model) is None


@pytest.mark.parametrize(
    "model", ["gpt-4o-audio-preview", "gpt-4o-mini-tts", "gpt-5-image", "gpt-5.4-image-2", "gpt-4o-search-preview"]
)
def test_a_model_of_more_than_text_is_left_out(model: str) -> None:
    assert vocabulary_of(model) is None
