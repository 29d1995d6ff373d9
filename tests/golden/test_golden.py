"""What providers answer and frameworks send costs to the last digit what its invoice says, worked out by hand."""

import json
from collections import Counter
from decimal import Decimal

import pytest

from tailrace.core.money import add_money
from tailrace.core.pricing import load_price_table
from tailrace.runtime.resources import schemas
from tailrace.wire.records import ObservationBodyRow, ObservationRow
from tests.golden.cases import PRICES, Case, read_cases, read_invoice
from tests.golden.pipeline import fold_request, requests_of

CASES = read_cases()
NO_TOKENS = ("web_search_requests", "search_units", "images")
PINNED = load_price_table(PRICES.read_bytes())
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def read_money(text: str) -> dict[str, Decimal]:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def service_tier_of(row: ObservationRow, body: ObservationBodyRow | None) -> str | None:
    """Where a price may ask for it."""
    metadata = json.loads((body and body.metadata) or "{}")
    return json.loads(row.model_parameters or "{}").get("service_tier") or metadata.get("service_tier")


@every_case
def test_the_row_says_what_the_case_says(case: Case) -> None:
    for request in requests_of(case):
        row, body = fold_request(request, PINNED)
        assert json.loads(row.usage_details) == case.usage
        assert read_money(row.cost_details) == case.exact_cost
        assert row.total_cost == case.exact_cost.get("total")
        assert row.warnings == sorted(case.warnings)
        assert (row.unit or "TOKENS") == case.unit
        assert row.total_tokens == case.usage.get("total", 0)
        assert service_tier_of(row, body) == case.service_tier
        is_priced = read_invoice(case.invoice).terms != []
        assert row.pricing_tier == (case.tier if is_priced else None)
        assert row.price_version == (PINNED.version if is_priced else None)


@every_case
def test_the_invoice_of_the_case_is_its_cost(case: Case) -> None:
    invoice = read_invoice(case.invoice)
    assert invoice.total == case.exact_cost.get("total")
    if not invoice.terms:
        return
    amounts = [term.units * term.price for term in invoice.terms]
    assert add_money(amounts) == invoice.total
    told = [amount for key, amount in case.exact_cost.items() if key != "total"]
    assert sorted(amount for amount in amounts if amount) == sorted(amount for amount in told if amount)


@every_case
def test_the_invoice_charges_the_units_of_the_case_at_pinned_prices(case: Case) -> None:
    terms = read_invoice(case.invoice).terms
    if not terms:
        return
    assert case.model is not None
    price = PINNED.match(case.model, case.start)
    assert price is not None
    (tier,) = [tier for tier in (price.default, *price.conditional) if tier.name == case.tier]
    assert {term.price for term in terms} <= set(tier.prices.values())
    assert Counter(term.units for term in terms) <= Counter(case.usage.values())


@every_case
def test_usage_without_a_warning_is_the_sum_of_its_parts(case: Case) -> None:
    parts = {key: units for key, units in case.usage.items() if key != "total"}
    tokens = sum(units for key, units in parts.items() if key not in NO_TOKENS)
    if parts and not case.warnings and "total_tokens" not in parts:
        assert case.usage["total"] in (tokens, sum(parts.values()))


def test_there_are_cases_enough_and_each_has_a_name_and_a_source() -> None:
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.source.strip() for case in CASES)
    assert all(sum(map(bool, (case.response, case.span, case.body))) == 1 for case in CASES)


def test_pinned_prices_are_the_shipped_ones() -> None:
    """Information: a shipped price may move on, and the cases still hold by the pinned one."""
    shipped = {
        (model.provider, model.model): model
        for model in load_price_table((schemas() / "prices.json").read_bytes()).models
    }
    moved = [model.model for model in PINNED.models if shipped.get((model.provider, model.model)) != model]
    if moved:
        pytest.skip(f"the shipped prices of these have moved on from the pinned ones: {', '.join(sorted(moved))}")
