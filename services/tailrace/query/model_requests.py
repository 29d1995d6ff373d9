"""A body that writes an own model, in, and what is stored of it, out. All that is wrong with it is told at once, each fault with its path."""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, TypeVar, cast, get_args

from tailrace.core.own_models import (
    MAX_NAME_CHARACTERS,
    AttributeCondition,
    Condition,
    OwnTier,
    Source,
    UsageCondition,
)
from tailrace.core.price_file import Operator
from tailrace.core.usage import UsageUnit
from tailrace.query.errors import InvalidBodyError, InvalidRequestError
from tailrace.query.given import kind_of
from tailrace.query.parameters import parse_instant
from tailrace.runtime.patterns import MAX_PATTERN_CHARACTERS, Pattern, PatternError
from tailrace.wire.lenient_json import NotJsonError, dump_json, load_json

MAX_TIERS: Final = 20
MAX_CONDITIONS: Final = 10
MAX_PRICES: Final = 100
MAX_VALUES: Final = 100
MAX_CONDITION_PROGRAM: Final = 200
"""Instructions of all usage patterns of one model: what choosing a tier may cost for each usage key."""

MAX_CONFIG_BYTES: Final = 10_000
MAX_PRICE_USD: Final = Decimal(10) ** 6
PRICE_DECIMALS: Final = 30
MAX_THRESHOLD: Final = Decimal(10) ** 15
DEFAULT_TIER: Final = "Standard"

Path = tuple[str | int, ...]
_T = TypeVar("_T")
_flat: Final = {"inputPrice": "input", "outputPrice": "output", "totalPrice": "total"}
_number: Final = re.compile(r"\d{1,20}(?:\.\d{1,60})?(?:[eE][+-]?\d{1,3})?", re.ASCII)


class NewModel(NamedTuple):
    """An own model as its project wants it. `program`: the size of its compiled pattern."""

    model_name: str
    match_pattern: str
    start_date: datetime | None
    unit: UsageUnit | None
    tiers: tuple[OwnTier, ...]
    tokenizer_id: str | None
    tokenizer_config: str | None
    program: int


def read_model(body: bytes) -> NewModel:
    """The model in a body. Raises InvalidBodyError."""
    try:
        given: object = load_json(body)
    except NotJsonError as error:
        raise InvalidBodyError([InvalidRequestError(str(error))]) from None
    if not isinstance(given, dict):
        raise InvalidBodyError([InvalidRequestError(f"expected an object, got {kind_of(given)}")])
    return _Reading(cast("dict[str, Any]", given)).model()


class _Reading:
    """One body, and what was found wrong with it so far. A fault yields a stand-in, so that reading goes on."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self._faults: list[InvalidRequestError] = []
        self._condition_program = 0

    def model(self) -> NewModel:
        pattern = self._text("matchPattern", MAX_PATTERN_CHARACTERS)
        model = NewModel(
            model_name=self._text("modelName", MAX_NAME_CHARACTERS),
            match_pattern=pattern,
            start_date=self._start(),
            unit=self._one_of(self._given.get("unit"), get_args(UsageUnit), ("unit",), optional=True),
            tiers=self._tiers(),
            tokenizer_id=self._one_of(
                self._given.get("tokenizerId"), ("openai", "claude"), ("tokenizerId",), optional=True
            ),
            tokenizer_config=self._config(),
            program=self._program(pattern, ("matchPattern",)) if pattern else 0,
        )
        if self._condition_program > MAX_CONDITION_PROGRAM:
            self._fault(
                f"expected usage patterns of at most {MAX_CONDITION_PROGRAM} instructions together, got {self._condition_program}",
                "pricingTiers",
            )
        if self._faults:
            raise InvalidBodyError(self._faults)
        return model

    def _fault(self, message: str, *path: str | int) -> None:
        self._faults.append(InvalidRequestError(message, *path))

    def _text(self, name: str, most: int) -> str:
        return self._string(self._given.get(name), most, (name,))

    def _string(self, value: object, most: int, path: Path) -> str:
        if isinstance(value, str) and 0 < len(value) <= most:
            return value
        self._fault(f"expected a text of 1 to {most} characters, got {kind_of(value)}", *path)
        return ""

    def _start(self) -> datetime | None:
        value = self._given.get("startDate")
        if value is None:
            return None
        try:
            return parse_instant(value if isinstance(value, str) else str(value), "startDate")
        except InvalidRequestError as fault:
            self._faults.append(fault)
            return None

    def _one_of(self, value: object, choices: Sequence[_T], path: Path, *, optional: bool = False) -> _T | None:
        for choice in choices:
            if choice == value:
                return choice
        if value is not None or not optional:
            self._fault(f"expected one of {', '.join(map(str, choices))}, got {kind_of(value)}", *path)
        return None

    def _program(self, pattern: str, path: Path) -> int:
        try:
            return Pattern(pattern).program
        except PatternError as error:
            self._fault(str(error), *path)
            return 0

    def _config(self) -> str | None:
        value = self._given.get("tokenizerConfig")
        text = None if value is None else dump_json(value)
        if text is not None and len(text.encode()) > MAX_CONFIG_BYTES:
            self._fault(f"expected at most {MAX_CONFIG_BYTES} bytes of JSON", "tokenizerConfig")
        return text

    def _tiers(self) -> tuple[OwnTier, ...]:
        flat = [name for name in _flat if self._given.get(name) is not None]
        tiers = self._given.get("pricingTiers")
        if tiers is None:
            return self._flat_tier(flat)
        if flat:
            self._fault("expected either flat prices or pricingTiers, got both", flat[0])
        if not isinstance(tiers, list) or not 0 < len(cast("list[Any]", tiers)) <= MAX_TIERS:
            self._fault(
                f"expected a list of 1 to {MAX_TIERS} tiers, got {kind_of(cast('object', tiers))}", "pricingTiers"
            )
            return ()
        given = cast("list[object]", tiers)
        read = tuple(self._tier(tier, ("pricingTiers", at)) for at, tier in enumerate(given))
        self._check_tiers(read)
        return read

    def _flat_tier(self, flat: list[str]) -> tuple[OwnTier, ...]:
        if not flat:
            self._fault("expected inputPrice, outputPrice, totalPrice or pricingTiers, got no price", "pricingTiers")
        if "totalPrice" in flat and len(flat) > 1:
            self._fault("expected either totalPrice or inputPrice and outputPrice, got both", "totalPrice")
        prices = {_flat[name]: self._price(self._given[name], (name,)) for name in flat}
        return (OwnTier(name=DEFAULT_TIER, is_default=True, priority=0, conditions=(), prices=prices),)

    def _check_tiers(self, tiers: tuple[OwnTier, ...]) -> None:
        if sum(tier.is_default for tier in tiers) != 1:
            self._fault("expected exactly one tier with isDefault true", "pricingTiers")
        for what, values in (("name", [one.name for one in tiers]), ("priority", [one.priority for one in tiers])):
            if len(set(values)) != len(values):
                self._fault(f"expected tiers that each have a {what} of their own", "pricingTiers")

    def _tier(self, value: object, path: Path) -> OwnTier:
        given = self._object(value, path)
        is_default = given.get("isDefault", False)
        if not isinstance(is_default, bool) and is_default is not None:
            self._fault(f"expected true or false, got {kind_of(is_default)}", *path, "isDefault")
        priority = given.get("priority")
        if not isinstance(priority, int) or isinstance(priority, bool) or not 0 <= priority <= 1_000_000:
            self._fault(f"expected a whole number from 0 to 1000000, got {kind_of(priority)}", *path, "priority")
            priority = -1 - int(str(path[-1]))
        conditions = self._conditions(given.get("conditions"), (*path, "conditions"))
        if is_default is True and (priority != 0 or conditions):
            self._fault("expected a default tier of priority 0 and without conditions", *path)
        elif is_default is not True and (priority == 0 or not conditions):
            self._fault("expected a priority above 0 and a condition, as the tier is not the default", *path)
        return OwnTier(
            name=self._string(given.get("name"), MAX_NAME_CHARACTERS, (*path, "name")) or f"\x00{path[-1]}",
            is_default=is_default is True,
            priority=priority,
            conditions=conditions,
            prices=self._prices(given.get("prices"), (*path, "prices")),
        )

    def _prices(self, value: object, path: Path) -> dict[str, Decimal]:
        given = self._object(value, path)
        if isinstance(value, dict) and not 0 < len(given) <= MAX_PRICES:
            self._fault(f"expected 1 to {MAX_PRICES} prices, got {len(given)}", *path)
            return {}
        return {
            self._string(key, MAX_NAME_CHARACTERS, (*path, key)): self._price(price, (*path, key))
            for key, price in given.items()
        }

    def _price(self, value: object, path: Path) -> Decimal:
        price = _decimal(value)
        if price is not None and price < MAX_PRICE_USD and -_exponent(price) <= PRICE_DECIMALS:
            return price
        self._fault(
            f"expected USD per unit, from 0 to below {MAX_PRICE_USD} and of at most {PRICE_DECIMALS} decimals, got {kind_of(value)}",
            *path,
        )
        return Decimal(0)

    def _conditions(self, value: object, path: Path) -> tuple[Condition, ...]:
        if value is None:
            return ()
        if not isinstance(value, list) or len(cast("list[Any]", value)) > MAX_CONDITIONS:
            self._fault(
                f"expected a list of at most {MAX_CONDITIONS} conditions, got {kind_of(cast('object', value))}", *path
            )
            return ()
        given = cast("list[object]", value)
        return tuple(self._condition(self._object(one, (*path, at)), (*path, at)) for at, one in enumerate(given))

    def _condition(self, given: dict[str, Any], path: Path) -> Condition:
        return self._attribute(given, path) if "source" in given else self._usage(given, path)

    def _usage(self, given: dict[str, Any], path: Path) -> UsageCondition:
        pattern = self._string(given.get("usageDetailPattern"), MAX_NAME_CHARACTERS, (*path, "usageDetailPattern"))
        self._condition_program += self._program(f"(?i){pattern}", (*path, "usageDetailPattern"))
        value = _decimal(given.get("value"))
        if value is None or value > MAX_THRESHOLD or -_exponent(value) > PRICE_DECIMALS:
            self._fault(
                f"expected a number of units from 0 to {MAX_THRESHOLD}, got {kind_of(given.get('value'))}",
                *path,
                "value",
            )
        sensitive = given.get("caseSensitive")
        if sensitive is not None and not isinstance(sensitive, bool):
            self._fault(f"expected true or false, got {kind_of(sensitive)}", *path, "caseSensitive")
        return UsageCondition(
            usage_detail_pattern=pattern,
            operator=self._one_of(given.get("operator"), get_args(Operator), (*path, "operator")) or "gt",
            value=value or Decimal(0),
            case_sensitive=sensitive is True,
        )

    def _attribute(self, given: dict[str, Any], path: Path) -> AttributeCondition:
        self._one_of(given.get("operator", "in"), ("in",), (*path, "operator"))
        values = given.get("values")
        if not isinstance(values, list) or not 0 < len(cast("list[Any]", values)) <= MAX_VALUES:
            self._fault(
                f"expected a list of 1 to {MAX_VALUES} texts, got {kind_of(cast('object', values))}", *path, "values"
            )
            values = []
        texts = cast("list[object]", values)
        return AttributeCondition(
            source=self._one_of(given.get("source"), get_args(Source), (*path, "source")) or "metadata",
            key=self._string(given.get("key"), MAX_NAME_CHARACTERS, (*path, "key")),
            values=tuple(
                self._string(text, MAX_NAME_CHARACTERS, (*path, "values", at)) for at, text in enumerate(texts)
            ),
        )

    def _object(self, value: object, path: Path) -> dict[str, Any]:
        if isinstance(value, dict):
            return cast("dict[str, Any]", value)
        self._fault(f"expected an object, got {kind_of(value)}", *path)
        return {}


def _decimal(value: object) -> Decimal | None:
    """A number of at least 0, or its text; as many digits as were written."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return Decimal(str(value)) if _number.fullmatch(str(value)) else None
    except (InvalidOperation, ValueError):
        return None


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
