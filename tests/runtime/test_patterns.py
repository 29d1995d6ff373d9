"""Patterns of tenants: those that people write match as in Postgres, and none of those that anybody can write takes long."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.runtime.patterns import MAX_PATTERN_CHARACTERS, Pattern, PatternError, compile_stored

NAME_CHARACTERS = 200


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        ("(?i)^(gpt-4o)$", ["gpt-4o", "GPT-4O"], ["gpt-4o-mini", "openai/gpt-4o"]),
        ("gpt", ["my-gpt-4"], ["GPT-4"]),
        (r"(?i)^(us\.|eu\.)?anthropic\.claude-3[\w.:-]*$", ["eu.anthropic.Claude-3-5:0"], ["anthropicxclaude-3"]),
        (r"^ft:[[:alnum:]-]+:acme:\d+$", ["ft:gpt-4:acme:7"], ["ft::acme:7"]),
        ("(?:größe|ы)$", ["die größe", "ы"], ["grosse"]),
        ("", ["", "anything"], []),
    ],
)
def test_it_is_found_as_people_expect(pattern: str, found: list[str], missed: list[str]) -> None:
    compiled = Pattern(pattern)

    assert all(compiled.is_found_in(text) for text in found)
    assert not any(compiled.is_found_in(text) for text in missed)


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", r"(a)\1", "[z-a]", "a{2,1}", "*", "\ud800"])
def test_what_the_engine_does_not_know_is_refused_in_words(pattern: str) -> None:
    with pytest.raises(PatternError, match=r"expected a regular expression that RE2 knows: ."):
        Pattern(pattern)


@pytest.mark.parametrize("pattern", ["x{1,1000}", r"\pL{100}", "((a{1,30}){1,30}){1,30}"])
def test_a_pattern_that_compiles_to_much_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        Pattern(pattern)


def test_a_long_pattern_is_refused() -> None:
    with pytest.raises(PatternError, match="at most 1000 characters, got 1001"):
        Pattern("a" * (MAX_PATTERN_CHARACTERS + 1))


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*a){20}", "(a?){80}a{80}", "^(([a-z])+.)+[A-Z]([a-z])+$"]
)
def test_patterns_that_take_other_engines_years_take_no_time(pattern: str) -> None:
    compiled = Pattern(pattern)
    began = time.process_time()

    for _ in range(10):
        compiled.is_found_in("a" * (NAME_CHARACTERS - 1) + "!")

    assert time.process_time() - began < 1


@given(st.text(alphabet="ab.*+?(){}|[]^$\\d1,:", max_size=60), st.text(alphabet="ab1", max_size=NAME_CHARACTERS))
def test_any_pattern_is_refused_or_answers(pattern: str, name: str) -> None:
    try:
        compiled = Pattern(pattern)
    except PatternError:
        return
    assert compiled.is_found_in(name) in (True, False)
    assert 0 < compiled.program <= 1000


def test_a_text_that_is_no_unicode_is_not_found() -> None:
    assert Pattern("a").is_found_in("a\ud800") is False


def test_a_stored_pattern_that_became_unusable_is_found_nowhere() -> None:
    assert compile_stored("(")("(") is False
    assert compile_stored("^a$")("a") is True
