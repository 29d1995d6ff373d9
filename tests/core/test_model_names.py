"""How a model name as a sender wrote it is looked up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.model_names import MAX_NAME_CHARACTERS, ModelNames, NameSpace, is_version_suffix, without_route

ROUTES = {
    "openai": ("openai",),
    "azure": ("openai", "anthropic"),
    "vertex_ai": ("google", "anthropic"),
    "bedrock": ("aws",),
    "groq": ("groq",),
    "router": ("router",),
}


def make_names() -> ModelNames[str]:
    names: ModelNames[str] = ModelNames(ROUTES)
    names.add("gpt-4o", "openai", (("gpt-4o", "gpt-4o-2024-11-20", "ft:gpt-4o-2024-08-06"), ()), bare=True)
    names.add("opus-4", "anthropic", (("claude-opus-4",), ("claude-opus-4",)), bare=True)
    names.add("opus-4-1", "anthropic", ((), ("claude-opus-4-1",)), bare=True)
    names.add("gemini", "google", ((), ("gemini-2.5-pro",)), bare=True)
    names.add("bedrock-sonnet", "aws", ((), ("anthropic.claude-sonnet-4", "eu.anthropic.claude-sonnet-4")), bare=True)
    names.add("bedrock-sonnet-global", "aws", ((), ("global.anthropic.claude-sonnet-4",)), bare=True)
    names.add("nova", "aws", ((), ("amazon.nova-lite",)), bare=True)
    names.add("groq-oss", "groq", (("openai/gpt-oss-120b",), ()), bare=False)
    names.add("router-gpt", "router", (("openai/gpt-4o",), ()), bare=False)
    return names


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("gpt-4o", "gpt-4o"),
        ("  GPT-4o ", "gpt-4o"),
        ("gpt-4o-20241120", "gpt-4o"),
        ("openai/gpt-4o", "gpt-4o"),
        ("openai:gpt-4o", "gpt-4o"),
        ("azure/gpt-4o", "gpt-4o"),
        ("azure/global-standard/gpt-4o", "gpt-4o"),
        ("litellm_proxy/openai/gpt-4o", "gpt-4o"),
        ("router/openai/gpt-4o", "router-gpt"),
        ("ft:gpt-4o-2024-08-06:acme:support:9xYz", "gpt-4o"),
        ("claude-opus-4-20250514", "opus-4"),
        ("claude-opus-4-1-20250805", "opus-4-1"),
        ("claude-opus-4-1@20250805", "opus-4-1"),
        ("vertex_ai/claude-opus-4-1@20250805", "opus-4-1"),
        ("models/gemini-2.5-pro", "gemini"),
        ("gemini-2.5-pro-preview-05-06", "gemini"),
        ("publishers/google/models/gemini-2.5-pro-002", "gemini"),
        ("projects/p/locations/l/publishers/google/models/gemini-2.5-pro", "gemini"),
        ("anthropic.claude-sonnet-4-20250514-v1:0", "bedrock-sonnet"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "bedrock-sonnet"),
        ("eu.anthropic.claude-sonnet-4-20250514-v1:0", "bedrock-sonnet"),
        ("global.anthropic.claude-sonnet-4-20250514-v1:0", "bedrock-sonnet-global"),
        ("bedrock/converse/us.anthropic.claude-sonnet-4-20250514-v1:0:200k", "bedrock-sonnet"),
        ("bedrock/us-east-1/amazon.nova-lite-v1:0", "nova"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "nova"),
        ("groq/openai/gpt-oss-120b", "groq-oss"),
    ],
)
def test_a_model_is_known_by_the_ways_its_senders_write_it(name: str, meaning: str) -> None:
    assert make_names().find(name) == meaning


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        ":",
        "openai/",
        "gpt-4o-new",
        "gpt-4",
        "gpt-4o-2025-01-01",  # a snapshot that nobody named is not guessed
        "claude-opus-4-2",
        "claude-opus-4-12-20260101",
        "gemini-2.5-pro-tts",
        "anthropic/gpt-4o",
        "groq/gpt-4o",
        "openai/gpt-oss-120b",  # sold by others under the same name
        "gpt-oss-120b",
        "my-gateway/gpt-4o",
        "global.amazon.nova-lite-v1:0",
        "eu.amazon.nova-lite-v1:0",
        "bedrock/eu-west-1/amazon.nova-lite-v1:0",
        "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-lite-v1:0",
        "arn:aws:bedrock:us-east-1:1:application-inference-profile/x1y2",
        "gpt-4o" + "-latest" * 60,
    ],
)
def test_what_is_not_surely_a_known_model_is_unknown(name: str) -> None:
    assert make_names().find(name) is None


def test_a_name_cannot_have_two_meanings() -> None:
    names: NameSpace[str] = NameSpace()
    names.add("one", ("a",), ("b",))
    with pytest.raises(ValueError, match="the model name b has two meanings"):
        names.add("two", (), ("b",))


def test_the_longest_versioned_name_is_meant() -> None:
    names: NameSpace[str] = NameSpace()
    names.add("short", (), ("m",))
    names.add("long", (), ("m-001",))
    assert names.find("m-001-latest") == "long"
    assert names.find("m-002-latest") == "short"


@pytest.mark.parametrize(
    "suffix", ["-20250929", "-2024-08-06", "-exp-05-06", "-preview-09-2025", "-001", "-v1:0", ":0", ":200k", "@latest"]
)
def test_a_version_suffix_says_only_which_version_is_meant(suffix: str) -> None:
    assert is_version_suffix(suffix)
    assert is_version_suffix(f"-preview{suffix}")


@pytest.mark.parametrize(
    "suffix",
    ["", "-", "-12-20260101", "-05-06", "-mini", ".1", "-4", "-32k", "-audio-preview", "x", "-2024-8-6", "-20250929x"],
)
def test_other_words_are_no_version_suffix(suffix: str) -> None:
    assert not is_version_suffix(suffix)


def test_a_route_is_the_first_word() -> None:
    assert without_route("a/b:c") == ("a", "b:c")
    assert without_route("a:b/c") == ("a", "b/c")
    assert without_route("a") is None
    assert without_route("a/") is None
    assert without_route("/a") is None


@given(st.text(alphabet="abgpt-4o/:@.0123456789 é", max_size=MAX_NAME_CHARACTERS + 50))
def test_no_name_is_an_error(name: str) -> None:
    make_names().find(name)
