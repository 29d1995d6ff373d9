"""Price terms: what a model costs by the word of a repricing, written down, so that it costs that whatever the price lists say later.

They travel with a raw record, are folded into the observation like a field of it, and are stored with its stamps. While they hold for it, they
go before every price list; what its sender says that it cost goes before them.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from tailrace.core.charging import AnyPrice
from tailrace.core.own_models import AttributeKey, Compile, OwnPrice, OwnTerms, OwnTier
from tailrace.core.price_file import DatedPrice, PricedModel, PriceFileError, UsageType, check_prices
from tailrace.core.pricing import SERVED_AS, ShippedTerms, make_price

MAX_USD: Final = Decimal(10) ** 6
MAX_DECIMALS: Final = 30
"""What one unit may cost, and with how many digits: what is multiplied with it must fit into `money.MONEY`."""

SHIPPED_ATTRIBUTES: Final = tuple(AttributeKey(source, key) for source, key in SERVED_AS)
"""What tiers of shipped prices ask for."""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class PriceTermsError(ValueError):
    """Price terms cannot be used; the message says what is wrong with them."""


class PriceTerms(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an observation costs that names `model`, as its sender wrote it, and starts in [`since`, `until`); None is no bound.

    `price` None: nobody knows a price, so that the cost is null.
    """

    model: str
    since: Instant | None
    until: Instant | None
    price: ShippedTerms | OwnTerms | None

    def hold(self, model: str | None, at: datetime) -> bool:
        """Whether they are meant for an observation of this model that starts then."""
        after_start = self.since is None or self.since <= at
        return model == self.model and after_start and (self.until is None or at < self.until)


class ReadyTerms:
    """Price terms, ready to charge. `price`: None where nobody knows one. `attribute_keys`: what its tiers ask for."""

    def __init__(self, terms: PriceTerms, usage_types: tuple[UsageType, ...], compile_pattern: Compile) -> None:
        self.hold = terms.hold
        self.price: AnyPrice | None = None
        self.attribute_keys: Sequence[AttributeKey] = ()
        if isinstance(terms.price, ShippedTerms):
            self.price, self.attribute_keys = make_price(terms.price, usage_types), SHIPPED_ATTRIBUTES
        elif terms.price is not None:
            own = OwnPrice(terms.price, usage_types, compile_pattern, terms.since)
            self.price, self.attribute_keys = own, own.attribute_keys


def dump_terms(terms: PriceTerms) -> str:
    """JSON text; equal terms have equal texts."""
    return _encoder.encode(terms).decode()


def load_terms(text: str) -> PriceTerms:
    """What `dump_terms` wrote."""
    return _decoder.decode(text)


def check_terms(terms: PriceTerms) -> None:
    """Raises PriceTermsError unless observations can be charged by them."""
    price = terms.price
    if price is None:
        return
    try:
        if isinstance(price, ShippedTerms):
            dated = DatedPrice(source=price.source, tiers=price.tiers)
            check_prices(PricedModel(model=price.model, provider=price.provider, unit=price.unit, prices=(dated,)))
        else:
            _check_own(price.tiers)
    except PriceFileError as error:
        raise PriceTermsError(str(error)) from None
    for tier in price.tiers:
        for usd in tier.prices.values():
            _check_size(usd)


def _check_own(tiers: tuple[OwnTier, ...]) -> None:
    if sum(tier.is_default for tier in tiers) != 1 or len({tier.priority for tier in tiers}) != len(tiers):
        raise PriceTermsError("expected one default tier, and tiers of different priorities")


def _check_size(usd: Decimal) -> None:
    exponent = usd.as_tuple().exponent
    if not isinstance(exponent, int) or not 0 <= usd <= MAX_USD or exponent < -MAX_DECIMALS:
        raise PriceTermsError(f"expected a price of 0 to {MAX_USD} USD with up to {MAX_DECIMALS} decimals, got {usd}")


_encoder: Final = msgspec.json.Encoder(order="deterministic")
_decoder: Final = msgspec.json.Decoder(PriceTerms)
