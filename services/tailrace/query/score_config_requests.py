"""Bodies that write a score config in, what is stored of it out."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple, cast, get_args

import msgspec

from tailrace.core.score_configs import BOOLEAN_CATEGORIES, Category, ConfigDataType
from tailrace.query.request_body import RequestBody, shown
from tailrace.query.rows import ScoreConfigRead

MAX_NAME_CHARACTERS: Final = 35
MAX_DESCRIPTION_CHARACTERS: Final = 5_000
MAX_CATEGORIES: Final = 500
MAX_LABEL_CHARACTERS: Final = 500

_name: Final = re.compile(r"[\w .()-]+")
_changeable: Final = frozenset({"name", "isArchived", "minValue", "maxValue", "categories", "description"})
_categories: Final = msgspec.json.Decoder(tuple[Category, ...])


class NewConfig(NamedTuple):
    """A score config as its project wants it."""

    name: str
    data_type: ConfigDataType
    min_value: float | None
    max_value: float | None
    categories: Sequence[Category] | None
    description: str | None
    is_archived: bool

    def stored_categories(self) -> str | None:
        """The categories as the JSON that is stored."""
        return None if self.categories is None else msgspec.json.encode(self.categories).decode()


def read_config(data: bytes) -> NewConfig:
    """A new config. Raises InvalidBodyError."""
    body = RequestBody(data)
    data_type = cast("ConfigDataType", body.required_choice("dataType", get_args(ConfigDataType)))
    name = _read_name(body)
    least, most = body.number("minValue"), body.number("maxValue")
    if data_type == "BOOLEAN":
        categories: Sequence[Category] | None = BOOLEAN_CATEGORIES
    else:
        categories = _read_categories(body) if body.has("categories") else None
    config = NewConfig(
        name, data_type, least, most, categories, body.optional_text("description", MAX_DESCRIPTION_CHARACTERS), False
    )
    if data_type == "BOOLEAN" and body.has("categories"):
        body.fault("expected no categories of a BOOLEAN config, as they are True and False", "categories")
    _check(body, config)
    return config


def read_changes(data: bytes, old: ScoreConfigRead) -> NewConfig:
    """A config after what a body changes of it: null takes a bound or the description away. Raises InvalidBodyError."""
    body = RequestBody(data)
    given = body.names()
    if not given & _changeable:
        body.fault(f"expected one of {', '.join(sorted(_changeable))}, got none of them")
    if body.has("dataType") and body.value("dataType") != old.data_type:
        body.fault("the data type of a config cannot change: make another config, and archive this one", "dataType")
    if body.has("categories") and old.data_type == "BOOLEAN":
        body.fault("expected no categories of a BOOLEAN config, as they are True and False", "categories")
    kept = None if old.categories is None else _categories.decode(old.categories)
    archived = body.flag("isArchived")
    config = NewConfig(
        name=_read_name(body) if body.has("name") else old.name,
        data_type=cast("ConfigDataType", old.data_type),
        min_value=body.number("minValue") if "minValue" in given else old.min_value,
        max_value=body.number("maxValue") if "maxValue" in given else old.max_value,
        categories=_read_categories(body) if body.has("categories") and old.data_type != "BOOLEAN" else kept,
        description=body.optional_text("description", MAX_DESCRIPTION_CHARACTERS)
        if "description" in given
        else old.description,
        is_archived=old.is_archived if archived is None else archived,
    )
    _check(body, config)
    return config


def _read_name(body: RequestBody) -> str:
    name = body.text("name", MAX_NAME_CHARACTERS)
    if name and _name.fullmatch(name) is None:
        body.fault("expected letters, digits, underscores, spaces, periods, parentheses and hyphens only", "name")
    return name


def _read_categories(body: RequestBody) -> list[Category]:
    return [_read_category(body, one, at) for at, one in enumerate(body.list("categories", MAX_CATEGORIES))]


def _read_category(body: RequestBody, given: object, at: int) -> Category:
    if not isinstance(given, dict):
        body.fault(f"expected an object with label and value, got {shown(given)}", "categories", at)
        return Category(label="", value=at)
    one = cast("dict[str, object]", given)
    return Category(
        label=body.text_in(one.get("label"), MAX_LABEL_CHARACTERS, "categories", at, "label"),
        value=body.number_in(one.get("value"), "categories", at, "value"),
    )


def _check(body: RequestBody, config: NewConfig) -> None:
    """What the parts of a config ask of each other. Raises InvalidBodyError if anything was wrong."""
    if not config.data_type:
        body.check()
    if config.data_type != "NUMERIC":
        for name, bound in (("minValue", config.min_value), ("maxValue", config.max_value)):
            if bound is not None:
                body.fault(f"expected a bound of NUMERIC configs only, got one of {config.data_type}", name)
    elif config.min_value is not None and config.max_value is not None and config.min_value >= config.max_value:
        body.fault(f"expected more than minValue {config.min_value}, got {config.max_value}", "maxValue")
    _check_categories(body, config)
    body.check()


def _check_categories(body: RequestBody, config: NewConfig) -> None:
    if config.data_type in ("NUMERIC", "TEXT"):
        if config.categories:
            body.fault(f"expected categories of CATEGORICAL configs only, got {config.data_type}", "categories")
        return
    categories = config.categories or ()
    if not categories:
        body.fault("expected at least one category, got none", "categories")
    for what, values in (("label", [one.label for one in categories]), ("value", [one.value for one in categories])):
        if len(set(values)) != len(values):
            body.fault(f"expected categories that each have a {what} of their own", "categories")
