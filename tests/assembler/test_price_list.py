"""The prices of the fold: a project's own models are read when it is met, and again when they may have changed, and not more often."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from prometheus_client import REGISTRY

from tailrace.assembler import price_list
from tailrace.assembler.price_list import OwnModelsRead, PriceList
from tailrace.core.own_models import EFFECTIVE_AFTER_US, ModelVersion, OwnTier
from tailrace.core.pricing import load_price_table
from tailrace.runtime.metrics import LabelCap
from tailrace.runtime.resources import schemas

SHIPPED = load_price_table((schemas() / "prices.json").read_bytes())
AT = datetime(2026, 3, 1, tzinfo=UTC)
SECOND_US = 1_000_000


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


class Store:
    """Own models in memory, whose database has the time of `clock`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._versions: list[ModelVersion] = []
        self.asked: list[tuple[list[str], list[str]]] = []

    @property
    def now_us(self) -> int:
        return round(self._clock.now * SECOND_US)

    def write(self, project: str, price: int, pattern: str = "^gpt-4o$") -> None:
        tiers = (OwnTier(name="a", is_default=True, priority=0, conditions=(), prices={"input": Decimal(price)}),)
        self._versions.append(
            ModelVersion(
                project_id=project,
                id="m",
                version=len(self._versions) + 1,
                effective_us=self.now_us + EFFECTIVE_AFTER_US,
                created_us=self.now_us,
                deleted=False,
                model_name="ours",
                match_pattern=pattern,
                start=None,
                unit=None,
                tiers=tiers,
            )
        )

    async def read(self, missing: Collection[str], held: Collection[str], after_version: int) -> OwnModelsRead:
        until_us = self.now_us + EFFECTIVE_AFTER_US - 1
        await asyncio.sleep(0)
        changed = {one.project_id for one in self._versions if one.version > after_version and one.project_id in held}
        self.asked.append((sorted(missing), sorted(changed)))
        wanted = {*missing, *changed}
        found = {project: [one for one in self._versions if one.project_id == project] for project in wanted}
        return OwnModelsRead(until_us, len(self._versions), found)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(price_list, "time", clock)
    return clock


@pytest.fixture
def store(clock: Clock) -> Store:
    return Store(clock)


def input_price(prices: PriceList, project: str, received_us: int, model: str = "gpt-4o") -> Decimal | None:
    found = prices.as_of(received_us).of_project(project).match(model, AT)
    return None if found is None else found.default.prices["input"]


async def test_an_own_model_goes_before_the_shipped_one_and_for_its_project_only(store: Store, clock: Clock) -> None:
    store.write("p", 7)
    clock.now += 1
    prices = PriceList(SHIPPED, store)

    await prices.prepare({"p", "q"}, store.now_us)

    assert input_price(prices, "p", store.now_us) == 7
    assert input_price(prices, "q", store.now_us) == Decimal("0.0000025")
    assert input_price(prices, "p", store.now_us, "gpt-4o-mini") == Decimal("0.00000015")


async def test_a_project_is_read_when_it_is_met_and_not_again_for_each_batch(store: Store, clock: Clock) -> None:
    prices = PriceList(SHIPPED, store)

    for _ in range(100):
        clock.now += 0.01
        await prices.prepare({"p"}, store.now_us)
    await prices.prepare({"q"}, store.now_us)

    assert store.asked[0] == (["p"], [])
    assert store.asked[-1] == (["q"], [])
    assert len(store.asked) <= 4


async def test_a_change_is_known_to_whoever_folds_what_was_received_after_it_holds(store: Store, clock: Clock) -> None:
    store.write("p", 1)
    clock.now += 60
    prices = PriceList(SHIPPED, store)
    await prices.prepare({"p"}, store.now_us)
    wrong: list[tuple[float, Decimal | None]] = []
    store.write("p", 2)
    changed_us = store.now_us + EFFECTIVE_AFTER_US

    for _ in range(200):
        clock.now += 0.01
        await prices.prepare({"p"}, store.now_us)
        found = input_price(prices, "p", store.now_us)
        if found != (2 if store.now_us >= changed_us else 1):
            wrong.append((clock.now, found))

    assert wrong == []
    assert len(store.asked) < 10


async def test_a_record_is_priced_alike_whenever_it_is_folded(store: Store, clock: Clock) -> None:
    """By the owner at once, by a new owner after a crash and a price change, and by a replay a day later."""
    store.write("p", 1)
    clock.now += 1
    received_us = store.now_us
    first, second, third = (PriceList(SHIPPED, store) for _ in range(3))

    await first.prepare({"p"}, received_us)
    found = [input_price(first, "p", received_us)]
    store.write("p", 2)
    clock.now += 1
    for prices in (first, second):
        await prices.prepare({"p"}, received_us)
        found.append(input_price(prices, "p", received_us))
    clock.now += 86_400
    await third.prepare({"p"}, received_us)
    found.append(input_price(third, "p", received_us))

    assert found == [1, 1, 1, 1]


async def test_partitions_that_meet_a_project_together_ask_once_and_lose_no_change(store: Store, clock: Clock) -> None:
    prices = PriceList(SHIPPED, store)
    store.write("p", 1)
    clock.now += 1

    await asyncio.gather(*(prices.prepare({"p"}, store.now_us) for _ in range(20)))

    assert store.asked == [(["p"], [])]
    assert input_price(prices, "p", store.now_us) == 1


async def test_an_edge_whose_clock_is_ahead_does_not_make_each_batch_ask(store: Store, clock: Clock) -> None:
    prices = PriceList(SHIPPED, store)

    for _ in range(100):
        clock.now += 0.01
        await prices.prepare({"p"}, store.now_us + 3600 * SECOND_US)

    assert len(store.asked) <= 5


async def test_projects_that_were_not_met_for_long_are_let_go_and_read_again(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_list, "MAX_PROJECTS", 2)
    store.write("a", 5)
    clock.now += 1
    prices = PriceList(SHIPPED, store)
    for project in ("a", "b", "c", "d", "e"):
        await prices.prepare({project}, store.now_us)

    with pytest.raises(KeyError):
        prices.as_of(store.now_us).of_project("a")
    await prices.prepare({"a"}, store.now_us)

    assert input_price(prices, "a", store.now_us) == 5


async def test_without_a_store_there_are_only_shipped_prices() -> None:
    prices = PriceList(SHIPPED)

    await prices.prepare({"p"}, 0)

    assert input_price(prices, "p", 0) == Decimal("0.0000025")


def test_names_of_unknown_models_are_bounded_in_the_metrics() -> None:
    prices = PriceList(SHIPPED, unknown_models=LabelCap(1))

    prices.count_unknown({("unknown-p", "x" * 500): 2})
    prices.count_unknown({("unknown-p", "y"): 3})

    def counted(project: str, model: str) -> float | None:
        name = "tailrace_assembler_unknown_model_observations_total"
        return REGISTRY.get_sample_value(name, {"project": project, "model": model})

    assert counted("unknown-p", "x" * 100) == 2
    assert counted("unknown-p", "y") is None
    assert (counted("other", "other") or 0) >= 3
