"""Models of one's own by the SDKs' `client.api.models`: their parsers accept the answers, and what is sent afterwards is priced by them."""

from decimal import Decimal

import pytest

from tests.e2e.environments import CLIENTS, build_environment
from tests.e2e.read import Reader, load, wait_until
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("client", ["python-4", "python-5"])
def test_an_sdk_writes_models_and_what_it_sends_then_is_priced_by_them(
    client: str, stack: Stack, reader: Reader
) -> None:
    name = f"own-{client}"
    environment = build_environment(CLIENTS[client], lambda _: None)

    found = load(environment.read([name], *stack.credentials.sender, script="models"))

    flat, upserted, shipped = found["flat"], found["upserted"], found["shipped"]
    assert (flat["modelName"], flat["matchPattern"], flat["isLangfuseManaged"]) == (name, f"(?i)^({name})$", False)
    assert flat["startDate"].startswith("2026-01-01T00:00:00")
    assert flat["prices"] == {"input": {"price": Decimal("0.001")}, "output": {"price": Decimal("0.002")}}
    assert (flat["tokenizerId"], flat["tokenizerConfig"]) == ("openai", {"tokenizerModel": "gpt-4o"})
    assert (found["same"], found["missing"]) == (True, 404)
    assert (upserted["id"], [tier["name"] for tier in upserted["pricingTiers"]]) == (
        f"{name}/tiered",
        ["Standard", "Priority"],
    )
    conditions = upserted["pricingTiers"][1]["conditions"]
    assert [condition.get("caseSensitive", condition.get("values")) for condition in conditions] == [
        False,
        ["priority"],
    ]
    assert (shipped["id"], shipped["isLangfuseManaged"]) == ("gpt-4o", True)
    assert {f"{name}/tiered", flat["id"]} < set(found["listed"])
    assert found["counted"][:2] == [1, 20]
    wait_until(lambda: _price(reader, found["traceId"]) is not None, "the generation")
    # 3 x 5 + 2 x 10: the priority tier
    assert _price(reader, found["traceId"]) == (35, f"{name}/tiered", "Priority")


def _price(reader: Reader, trace_id: str) -> tuple[Decimal, str, str] | None:
    found = reader.json(f"/api/public/observations?traceId={trace_id}")["data"]
    if not found:
        return None
    return found[0]["calculatedTotalCost"], found[0]["modelId"], found[0]["usagePricingTierName"]
