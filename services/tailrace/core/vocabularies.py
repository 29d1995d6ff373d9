"""Which vocabulary a model's tokens are of: a model name as its sender wrote it in, the vocabulary out, None where nobody knows it.

Of OpenAI's models only: Anthropic, Google and most others publish none. The families are those of tiktoken's `model.py`; as there, a family stands for
its versions, variants and fine-tuned models. Models that take or give more than text are left out: their tokens are not those of the text.
"""

import re
from functools import lru_cache
from typing import Final, Literal

Vocabulary = Literal["o200k_base", "cl100k_base"]

_MAX_NAME_CHARACTERS: Final = 300
_FAMILIES: Final[tuple[tuple[Vocabulary, re.Pattern[str]], ...]] = (
    ("o200k_base", re.compile(r"(?:chatgpt-4o|gpt-4o|gpt-4\.1|gpt-4\.5|gpt-5|gpt-oss|o1|o3|o4)(?=$|[-.:@])")),
    (
        "cl100k_base",
        re.compile(
            r"(?:gpt-4|gpt-3\.5|gpt-35|text-embedding-3|text-embedding-ada-002|davinci-002|babbage-002)(?=$|[-:@])"
        ),
    ),
)
_MORE_THAN_TEXT: Final = re.compile(
    r"[-.](?:audio|realtime|transcribe|tts|image|search|research|computer-use)(?=$|[-.:@\d])"
)
_ROUTES: Final = ("ft:", "openai:", "azure:", "openai.")


@lru_cache(maxsize=1024)
def vocabulary_of(model: str) -> Vocabulary | None:
    """The vocabulary of a model.

    >>> vocabulary_of("openai/gpt-4o-mini-2024-07-18")
    'o200k_base'
    """
    if len(model) > _MAX_NAME_CHARACTERS:
        return None
    name = model.lower().rpartition("/")[2]
    for route in _ROUTES:
        name = name.removeprefix(route)
    if _MORE_THAN_TEXT.search(name):
        return None
    return next((vocabulary for vocabulary, family in _FAMILIES if family.match(name)), None)
