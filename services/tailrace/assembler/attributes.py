"""What a pricing tier may ask of an observation besides its usage: a source and a key in, the text that stands there out."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from tailrace.core.merge import Folded
from tailrace.core.metadata import read_metadata


def attribute_text(folded: Folded, source: str, key: str) -> str | None:
    """A text as it is, a number or boolean as its JSON; None for what is absent, null, an object or a list."""
    if source == "metadata":
        attributes = {} if folded.metadata is None else read_metadata(folded.metadata)
    else:
        attributes = _parsed(folded.values.get("model_parameters"))
    value: object = attributes.get(key)
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, (bool, int, float)) else None


@lru_cache(maxsize=256)
def _parsed(text: str | None) -> Mapping[str, Any]:
    """Model parameters, which are kept as the text of an object; most observations of an application have the same."""
    try:
        parsed: object = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
