"""Lists and objects that a sender flattened into attribute names (`gen_ai.prompt.0.role`), rebuilt."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

MAX_SLOTS: Final = 10_001
"""Places that all rebuilt lists of one tree may have together, so that `prompt.999999999` costs nothing."""

_MAX_STEPS: Final = 50


def rebuild(attributes: Mapping[str, Any], prefix: str) -> tuple[Any, list[str]]:
    """What stands under `prefix` (without its last dot) as nested lists and objects, None if nothing; and the keys it came from."""
    start = len(prefix) + 1
    dotted = prefix + "."
    keys = [key for key in attributes if key.startswith(dotted)]
    if not keys:
        return None, keys
    root: dict[str, Any] = {}
    for key in keys:
        _put(root, key[start:].split(".", _MAX_STEPS), attributes[key])
    return _Lists().with_lists(root), keys


def _put(tree: dict[str, Any], steps: list[str], value: Any) -> None:
    for step in steps[:-1]:
        below = tree.get(step)
        if not isinstance(below, dict):
            below = tree[step] = {} if below is None else {"": below}
        tree = cast("dict[str, Any]", below)
    last = steps[-1]
    below = tree.get(last)
    if isinstance(below, dict):
        below[""] = value
    else:
        tree[last] = value


class _Lists:
    """Turns objects whose keys are all indexes into lists, as long as slots are left."""

    def __init__(self) -> None:
        self._slots = MAX_SLOTS

    def with_lists(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        tree = cast("dict[str, Any]", value)
        size = _list_size(tree)
        if size is None or size > self._slots:
            return {key: self.with_lists(item) for key, item in tree.items()}
        self._slots -= size
        return [self.with_lists(tree.get(str(index))) for index in range(size)]


def _list_size(keys: Iterable[str]) -> int | None:
    """One more than the greatest index, None if a key is no index."""
    size = 0
    for key in keys:
        if not (key.isdecimal() and key.isascii() and len(key) <= 9 and str(int(key)) == key):
            return None
        size = max(size, int(key) + 1)
    return size
