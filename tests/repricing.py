"""Repricings as an operator's command sends them, without a command."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from tailrace.assembler.batch import RawRecord
from tailrace.core.model import ProjectId
from tailrace.core.price_file import PriceTier
from tailrace.core.price_terms import PriceTerms
from tailrace.core.pricing import ShippedTerms
from tailrace.wire.records import encode_record
from tailrace.wire.repricing import RepricedObservation, Repricing
from tailrace.wire.topics import RawHeaders

COMMANDED_AT = datetime(2026, 4, 1, tzinfo=UTC)
RECEIVED_US = 1_775_001_600_000_000


def shipped_terms(model: str = "gpt-4o-mini", **prices: str) -> PriceTerms:
    """What a unit of a model costs at any time; 1 USD of input unless told."""
    usd = {key: Decimal(price) for key, price in (prices or {"input": "1"}).items()}
    tier = PriceTier(name="Standard", is_default=True, priority=0, conditions=(), prices=usd)
    price = ShippedTerms(
        model=f"{model}-anew", provider="openai", unit="TOKENS", source="a test", version="test-1", tiers=(tier,)
    )
    return PriceTerms(model=model, since=None, until=None, price=price)


def make_repricing(terms: Mapping[str, PriceTerms], *, trace_id: str = "t", command: int = 1) -> Repricing:
    """What the command of this number, one second after that before it, says of these observations."""
    return Repricing(
        command=UUID(int=command),
        commanded_at=COMMANDED_AT + timedelta(seconds=command),
        trace_id=trace_id,
        terms=list(terms.values()),
        observations=[RepricedObservation(id=id_, terms=number) for number, id_ in enumerate(terms)],
    )


def raw_repricing(offset: int, repricing: Repricing, *, project_id: str = "p") -> RawRecord:
    """The raw record of it."""
    headers = RawHeaders("repricing", ProjectId(project_id), RECEIVED_US + offset, 1)
    return RawRecord(offset, dict(headers.encode()), encode_record(repricing))
