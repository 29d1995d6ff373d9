"""Score configs: what a project lays down for scores of one name, and how a score that names its config is judged by it.

A config has versions, which are only ever added. The one that holds for a score is told by when an edge received it, so that the same
log is judged alike whenever it is folded.
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

ConfigDataType = Literal["NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT"]

CONFIG_EFFECTIVE_AFTER_US: Final = 500_000
"""A version holds for what is received so long after it was written: whoever folds such a record can see the version."""

CONFIG_LOCK: Final = 0x7461696C_0024
"""Writers of versions have it alone while they take their time, readers share it (Postgres, advisory)."""


class ConfigError(ValueError):
    """A score is not as its config asks; the message says why."""


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """A word that a categorical score may be, and the number that it stands for."""

    label: str
    value: float


BOOLEAN_CATEGORIES: Final = (Category(label="True", value=1), Category(label="False", value=0))


class ConfigVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a config. It holds from `effective_us` on and before `superseded_us`, microseconds since 1970."""

    id: str
    name: str
    data_type: ConfigDataType
    min_value: float | None
    max_value: float | None
    categories: tuple[Category, ...]
    is_archived: bool
    effective_us: int
    superseded_us: int | None

    def holds(self, received_us: int) -> bool:
        """Whether it is the one for what was received then."""
        return self.effective_us <= received_us and (self.superseded_us is None or received_us < self.superseded_us)

    def check_type(self, data_type: str | None) -> None:
        """Whether a score may have this data type, None where it says none. Raises ConfigError."""
        if self.is_archived:
            raise ConfigError(f"the score config {self.id} is archived")
        if data_type is not None and data_type != self.data_type:
            raise ConfigError(f"the score config {self.id} asks for dataType {self.data_type}, got {data_type}")

    def number_of(self, value: float, text: str | None) -> float:
        """The number to store of a score of this type whose value is `value`, or the word `text`. Raises ConfigError."""
        if self.data_type == "NUMERIC":
            self._check_range(value)
        elif self.data_type == "CATEGORICAL":
            return self._number_of_category(text)
        return value

    def _check_range(self, value: float) -> None:
        if self.min_value is not None and value < self.min_value:
            raise ConfigError(f"the score config {self.id} asks for a value of at least {self.min_value}, got {value}")
        if self.max_value is not None and value > self.max_value:
            raise ConfigError(f"the score config {self.id} asks for a value of at most {self.max_value}, got {value}")

    def _number_of_category(self, text: str | None) -> float:
        for category in self.categories:
            if category.label == text:
                return category.value
        raise ConfigError(f"the score config {self.id} has no category {(text or '')[:100]!r}")


def version_at(versions: Sequence[ConfigVersion], received_us: int) -> ConfigVersion | None:
    """The version of a config for what was received then; None before there was one."""
    return next((version for version in versions if version.holds(received_us)), None)
