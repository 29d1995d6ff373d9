import time

from hypothesis import given
from hypothesis import strategies as st

from tailrace.query.prompt_requests import fault_of_name
from tailrace.query.prompt_tags import Reference, include, references_of, variables_of

A = "@@@langfusePrompt:name=a/b c|version=2@@@"
B = "@@@langfusePrompt:name=b|label=production@@@"


def test_tags_are_found_in_their_order() -> None:
    assert references_of(f"x{A}{B} y {A}") == [
        Reference("a/b c", version=2),
        Reference("b", label="production"),
        Reference("a/b c", version=2),
    ]


def test_each_tag_is_replaced_and_what_is_put_in_is_not_read_again() -> None:
    texts = {Reference("a/b c", version=2): B, Reference("b", label="production"): "x"}

    assert include(f"<{A}|{B}>", texts) == f"<{B}|x>"


def test_what_is_not_quite_a_tag_stays() -> None:
    for text in (
        "@@@langfusePrompt:name=a|version=x@@@",
        "@@@langfusePrompt:name=a|version=99999999999@@@",
        "@@@langfusePrompt:name=a|version=-1@@@",
        "@@@langfusePrompt:name=a|version=@@@",
        "@@@langfusePrompt:name=a|version@@@",
        "@@@langfusePrompt:name=|version=1@@@",
        "@@@langfusePrompt:version=1|name=a@@@",
        "@@@langfusePrompt:name=a|tag=b@@@",
        "@@@langfusePrompt:name=a|version=1|label=b@@@",
        "@@@langfusePrompt:name=a|version=1",
        "@@langfusePrompt:name=a|version=1@@@",
    ):
        assert references_of(text) == []
        assert include(text, {}) == text


def test_a_broken_tag_does_not_hide_the_next() -> None:
    assert references_of(f"@@@langfusePrompt:name=x{B}") == [Reference("b", label="production")]


def test_a_text_of_nothing_but_beginnings_is_read_in_time_that_grows_with_it_alone() -> None:
    started = time.process_time()
    for piece in ("@@@langfusePrompt:", "@@@langfusePrompt:name=a|", "{{", "@@@", "{{}}"):
        text = piece * (1_000_000 // len(piece))
        references_of(text)
        list(variables_of(text))

    assert time.process_time() - started < 10


def test_variables_are_what_stands_between_double_braces() -> None:
    assert list(variables_of("{{a}} { b } {{ c d }} {{e}")) == ["a", "c d"]


@given(st.text(alphabet="@langfusePrompt:name=|versionl1{}", max_size=60))
def test_any_text_without_a_tag_is_itself(text: str) -> None:
    if not references_of(text):
        assert include(text, {}) == text


@given(st.text(max_size=300))
def test_a_name_either_can_be_used_or_has_a_fault_in_words(name: str) -> None:
    fault = fault_of_name(name)

    assert fault is None or fault.startswith("expected")
    assert fault is not None or (name and "|" not in name and len(name) <= 255)
