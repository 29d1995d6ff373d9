"""Money is Decimal USD: added and multiplied exactly, written without exponent. Never a float, never rounded in silence."""

from collections.abc import Iterable
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Final

MONEY: Final = Context(prec=100, traps=[Inexact, InvalidOperation, Overflow])
"""The context of every sum and product of money. It holds 2^63 units at any price, and raises rather than round."""


def add_money(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum, 0 of none. Raises decimal.Inexact if 100 digits cannot hold it."""
    total = Decimal(0)
    for amount in amounts:
        total = MONEY.add(total, amount)
    return total


def money_text(amount: Decimal) -> str:
    """The amount as it goes on the wire: plain digits, no exponent, no trailing zeros; equal amounts have equal texts."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
