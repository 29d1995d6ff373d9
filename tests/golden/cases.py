"""The golden cases: what a provider answered or a framework sent, and the invoice for it, worked out by hand. See README.md."""

import json
import re
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

FOLDER: Final = Path(__file__).parent
PRICES: Final = FOLDER / "prices.json"
AT: Final = "2026-03-01T12:00:00Z"

_TERM: Final = re.compile(r"(\d+) x (\d+(?:\.\d+)?)(/M)?")


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One case; exactly one of `response`, `span` and `body` is given, each a JSON text.

    `response`: a provider's, its usage at `usage_at`. `span`: the attributes of a span of the instrumentation scope `scope`, name and
    version. `body`: what of a `generation-create` tells usage and cost. `invoice`: the sum worked out by hand, with prices per million
    (`/M`) or per unit; or `null: why`, or `sender: the sum of what the sender says`.
    `usage`, `cost`, `warnings`, `unit`, `tier`, `service_tier`: what the row must say.
    """

    name: str
    source: str
    invoice: str
    usage: dict[str, int]
    model: str | None = None
    at: str = AT
    response: str = ""
    usage_at: str = "usage"
    span: str = ""
    scope: str = "app 1.0"
    body: str = ""
    cost: dict[str, str] = {}
    warnings: list[str] = []
    unit: str = "TOKENS"
    tier: str = "Standard"
    service_tier: str | None = None

    @property
    def start(self) -> datetime:
        return datetime.fromisoformat(self.at).astimezone(UTC)

    @property
    def provider_usage(self) -> Any:
        """The usage of the response."""
        found: Any = json.loads(self.response)
        for key in self.usage_at.split("."):
            found = found[key]
        return found

    @property
    def exact_cost(self) -> dict[str, Decimal]:
        return {key: Decimal(amount) for key, amount in self.cost.items()}


class Term(NamedTuple):
    """One product of an invoice: units, and USD for one unit."""

    units: int
    price: Decimal


class Invoice(NamedTuple):
    """An invoice as its text says it. `terms`: none if nothing or somebody else has worked it out."""

    terms: list[Term]
    total: Decimal | None


def read_cases() -> list[Case]:
    """All cases of all files."""
    return [case for path in sorted((FOLDER / "cases").glob("*.toml")) for case in read_file(path)]


def read_file(path: Path) -> list[Case]:
    return msgspec.convert(tomllib.loads(path.read_text())["case"], list[Case])


def read_invoice(text: str) -> Invoice:
    """What the text says; raises ValueError if that is no invoice."""
    if text.startswith("null: "):
        return Invoice([], None)
    if text.startswith("sender: "):
        return Invoice([], Decimal(text.removeprefix("sender: ")))
    products, equals, total = text.partition(" = ")
    terms = [_term(product) for product in products.split(" + ")]
    if not equals:
        raise ValueError(f"the invoice has no sum: {text}")
    return Invoice(terms, Decimal(total))


def _term(product: str) -> Term:
    found = _TERM.fullmatch(product)
    if not found:
        raise ValueError(f"no product of units and a price: {product}")
    price = Decimal(found[2])
    return Term(int(found[1]), price / 1_000_000 if found[3] else price)
