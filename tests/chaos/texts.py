"""Texts and JSON values as users write them, and what of them reaches a server: emojis, cut emojis, U+0000, very long ones.

A text here is the text that must be stored. `dirty_json` and `dirty_text` make of it what is sent: after each mark a U+0000, which
must be stripped, and half an emoji in the place of each U+FFFD, which it must become.
"""

import random
from typing import Any, Final

MARK: Final = "¶"
CUT: Final = "\ufffd"

_WORDS: Final = [
    "the",
    "refund",
    "of",
    "an",
    "order",
    "was",
    "asked",
    "for",
    "by",
    "a",
    "customer",
    "whose",
    "parcel",
    "came",
    "late",
    "and",
    "whose",
    "invoice",
    "showed",
    "it",
    "twice,",
    "naïve",
    "façade",
    '"quoted"',
    "back\\slash",
    "<tag>",
    "&",
    "100%",
    "Ünïcode",
    "日本語",
    "👩\u200d🚀",
    "tab\tnew\nline",
]
_AWKWARD: Final = (
    f"nul{MARK}here",
    f"half an emoji {CUT} here",
    "👍🏽👩‍👩‍👧 🇩🇪",
    f"{MARK}{CUT}-both-{MARK}",
    "\u202ertl \u0301x",
)
_SEA_CHARACTERS: Final = 1 << 17
_LONG_CHARACTERS: Final = 60_000


def _make_sea() -> str:
    rng = random.Random(7)
    words: list[str] = []
    length = 0
    while length < _SEA_CHARACTERS:
        words.append(rng.choice(_WORDS))
        length += len(words[-1]) + 1
    return " ".join(words)


_sea: Final = _make_sea()


class Texts:
    """Draws texts of about `median` characters."""

    def __init__(self, rng: random.Random, median: int) -> None:
        self._rng = rng
        self._median = median

    def body(self) -> str:
        """A text of any length, sometimes a very long one, sometimes with what is hard to store."""
        rng = self._rng
        chance = rng.random()
        size = int(self._median * rng.lognormvariate(0, 0.5)) if chance > 0.005 else _LONG_CHARACTERS
        start = rng.randrange(_SEA_CHARACTERS - _LONG_CHARACTERS)
        text = _sea[start : start + max(size, 1)].strip() or "text"
        return f"{text} {rng.choice(_AWKWARD)} end" if chance > 0.95 else text

    def short(self) -> str:
        """A few words."""
        start = self._rng.randrange(_SEA_CHARACTERS - 100)
        return _sea[start : start + 24].strip() or "word"

    def messages(self) -> list[dict[str, Any]]:
        """A conversation."""
        return [{"role": "system", "content": self.short()}, {"role": "user", "content": self.body()}]

    def metadata(self, prefix: str) -> dict[str, Any]:
        """A nested object; no two objects of different prefixes have a key in common."""
        rng = self._rng
        found: dict[str, Any] = {
            f"{prefix}-n": rng.randrange(1 << 40),
            f"{prefix}-s": self.short(),
            f"{prefix}-deep": {"list": [1, 2.5, None, True, "x"], "flag": rng.random() < 0.5, "text": self.short()},
        }
        if rng.random() < 0.05:
            found[f"{prefix}-{MARK}{CUT}"] = {"awkward": rng.choice(_AWKWARD), f"k{MARK}": 1}
        return found


def dirty_text(text: str) -> str:
    """The text with its U+0000; only what has bytes can hold half an emoji, see `dirty_bytes`."""
    return text.replace(MARK, MARK + "\0") if MARK in text else text


def dirty_bytes(data: bytes) -> bytes:
    """UTF-8 in which half emojis, bytes that are not UTF-8, stand where the texts must have U+FFFD; of the same length."""
    return data.replace(b"\xef\xbf\xbd", b"\xf0\x9f\x98")


def dirty_json(data: bytes) -> bytes:
    """JSON with an escaped U+0000 after each mark, and a lone surrogate in the place of each U+FFFD."""
    if b"\xc2\xb6" in data:
        data = data.replace(b"\xc2\xb6", b"\xc2\xb6\\u0000")
    return data.replace(b"\xef\xbf\xbd", b"\\ud83d")
