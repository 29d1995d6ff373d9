"""Hostile values: JSON as exact bytes, by what is wrong with it. Text that no library would write is possible."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy


class Literal(bytes):
    """JSON text, right or wrong, as it is to be sent."""


class Pairs(list[tuple[Any, Any]]):
    """An object whose keys may repeat."""


def encode(value: Any) -> bytes:
    """`value` as JSON; lone surrogates as escapes."""
    match value:
        case Literal():
            return bytes(value)
        case Pairs():
            return b"{%b}" % b",".join(encode(key) + b":" + encode(item) for key, item in value)
        case dict():
            return encode(Pairs(value.items()))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        case list():
            return b"[%b]" % b",".join(map(encode, value))  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return json.dumps(value).encode()


def deep(levels: int, opening: bytes = b"[", closing: bytes = b"]") -> Literal:
    return Literal(opening * levels + b"1" + closing * levels)


MANY_DIGITS = b"9" * 5000

NUMBERS: SearchStrategy[Any] = (
    st.sampled_from(
        [
            *(
                -1,
                0,
                1,
                -0.0,
                0.5,
                2.0,
                1.5e3,
                -0.1,
                2**31,
                2**53 + 1,
                2**63 - 1,
                2**63,
                2**64,
                10**12,
                10**12 + 1,
                10**30,
            ),
            *(
                -(10**30),
                1e-300,
                1e300,
                5e-324,
                1.7976931348623157e308,
                True,
                False,
                None,
                "",
                "1",
                "-1",
                "1e3",
                "٣",
                " 7 ",
            ),
            *("NaN", "Infinity", "-Infinity", "1e400", "0x10", "1_000", "1,5", "$1", "1" * 1000, "0." + "3" * 1000),
            *map(
                Literal, (b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1e-400", b"1E+2", b"-0", b"1e308")
            ),
            *map(
                Literal, (b"1" + b"0" * 400, MANY_DIGITS, b"-" + MANY_DIGITS, b"0." + b"1" * 1000, b"1e" + b"9" * 400)
            ),
            *map(
                Literal,
                (b"01", b"+1", b".5", b"1.", b"0x10", b"1_000", b"- 1", b"--1", b"1e", b"0e0", b"1e+18", b"1e+17"),
            ),
        ]
    )
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)

TEXTS: SearchStrategy[Any] = st.sampled_from(
    [
        *(
            "",
            " ",
            "\x00",
            "a\x00b",
            "\ud800",
            "\udfff\ud800",
            "\ud83d",
            "\ufeff",
            "\uffff",
            "\U0010ffff",
            "\r",
            "a\rb",
        ),
        *(
            "\r\n",
            "\t\x0b\x1b[2J",
            "é" * 400,
            "é" * 401,
            "a" * 800,
            "a" * 801,
            "ł" * 500,
            "\U0001f680" * 200,
            "\u202eabc",
        ),
        *(
            "..",
            ".",
            "/",
            "a/b",
            "../../etc/passwd",
            "%00",
            "%2F..%2f",
            "?a=b",
            "#",
            "&",
            "'; drop table traces; --",
            "\\",
        ),
        *(
            '"',
            "<script>",
            "{{7*7}}",
            "${jndi:ldap://x}",
            "null",
            "NaN",
            "true",
            "[]",
            "{}",
            "[1",
            '{"a":',
            "[[[[",
            "\x7f",
        ),
        *("x" * 100_000, "\x01" * 10_000, '"' * 10_000, "\\" * 10_000),
        *map(Literal, (b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\xf4\x90\x80\x80"', b'"\x00"', b'"a\nb"')),
        *map(Literal, (rb'"\ud800\u0041"', rb'"\uDC00"', rb'"\u0000"', rb'"\x41"', rb'"\u12"', b'"open', b"'single'")),
        Literal(b'"' + b"i" * 1_000_000 + b'"'),
    ]
) | st.text(max_size=20)

TIMES: SearchStrategy[Any] = st.sampled_from(
    [
        *("0001-01-01T00:00:00Z", "0001-01-02T00:00:00Z", "0001-01-01T00:00:00+23:59", "0000-01-01T00:00:00Z"),
        *("9999-12-31T23:59:59.999999Z", "9999-12-30T23:59:59Z", "9999-12-31T23:59:59-23:59", "10000-01-01T00:00:00Z"),
        *("2026-01-01T00:00:00", "2026-01-01", "2026-01-01 00:00:00Z", "2026-01-01T00:00Z", "2026-02-30T00:00:00Z"),
        *("2026-01-01T24:00:00Z", "2026-01-01T23:59:60Z", "2026-01-01T00:00:00+14:00", "2026-01-01T00:00:00-12:34"),
        *("2026-01-01T00:00:00+99:99", "2026-01-01T00:00:00.123456789012345Z", "-2026-01-01T00:00:00Z", "now", ""),
        *(
            "1970-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999Z",
            "2038-01-19T03:14:08Z",
            "2026-W01-1T00:00:00Z",
            "20260101T000000Z",
        ),
        *(0, -1, 1e18, 2**63, None, True, 1767225600000, '"2026-01-01T00:00:00Z"', "٢٠٢٦-01-01T00:00:00Z"),
    ]
)

CONTAINERS: SearchStrategy[Any] = st.sampled_from(
    [
        *([], {}, [None], [[]], [{}], {"": ""}, {"": {"": None}}, [1, "a", None, True, 1.5], {"a": [{"b": [{}]}]}),
        *(Pairs([("a", 1), ("a", 2)]), Pairs([("a", {"b": 1}), ("a", {"c": 1})]), Pairs([("\x00", 1), ("", 2)])),
        *(
            deep(50),
            deep(199),
            deep(300),
            deep(1000),
            deep(10_000),
            deep(10_000, b'{"a":', b"}"),
            deep(300, b'[{"":', b"}]"),
        ),
        *([""] * 5000, {f"k{number}": number for number in range(5000)}, ["t" * 2000] * 200),
        *map(
            Literal, (b"[1,]", b"{,}", b'{"a"}', b"[", b"}", b"", b"undefined", b"/* */ 1", b'{"a":1 "b":2}', b"[NaN]")
        ),
    ]
)

ANYTHING: SearchStrategy[Any] = st.one_of(NUMBERS, TEXTS, TIMES, CONTAINERS)
