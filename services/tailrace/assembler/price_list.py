"""Prices as the fold asks for them: a project's own models before the shipped table, as of the moment at which an edge received the record.

Own models are read when their project is met and kept; changes are asked for at most twice a second, by all partitions of a process together,
and never for each event. A record is folded only once every version that holds for it is here, so that whoever folds it, and whenever,
finds the same price.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from tailrace.assembler.estimates import Outcome
from tailrace.core.own_models import AttributeKey, ModelVersion, OwnPrice, OwnPrices, OwnSet
from tailrace.core.price_terms import SHIPPED_ATTRIBUTES, PriceTerms, ReadyTerms, load_terms
from tailrace.core.pricing import Price, PriceTable
from tailrace.runtime.metrics import LabelCap, assembler_unknown_models, assembler_usage_estimates
from tailrace.runtime.patterns import compile_stored
from tailrace.runtime.tokens import TokenCounter

MAX_PROJECTS: Final = 10_000
"""Projects whose own models are kept; more than all batches of a process can name at once."""

ASK_SECONDS: Final = 0.25
"""Not sooner is asked again: versions hold for later records only (`own_models.EFFECTIVE_AFTER`), so that none is missed between."""

MAX_TERMS: Final = 10_000
"""Price terms that are kept ready: a repricing makes a few for each model, and for each start date of its price."""

_LABEL_CHARACTERS: Final = 100


class OwnModelsRead(NamedTuple):
    """What is stored. `versions`: all of the projects that were asked for or have changed. `until_us`: every version that holds for events
    received up to then is among what is stored; what comes later holds later.
    """

    until_us: int
    last_version: int
    versions: Mapping[str, Sequence[ModelVersion]]


class OwnModelSource(Protocol):
    """Where own models are stored."""

    async def read(self, missing: Collection[str], held: Collection[str], after_version: int) -> OwnModelsRead:
        """The versions of `missing`, and of those `held` that have one after `after_version`. Raises OUTAGE_ERRORS."""
        ...


class PricesOfProject:
    """The prices of one project for one record. `make_ready`: makes price terms, as they are stored, ready to charge."""

    def __init__(self, shipped: PriceTable, own: OwnSet | None, make_ready: Callable[[str], ReadyTerms]) -> None:
        self._shipped = shipped
        self._own = own
        self.make_ready = make_ready
        self.attribute_keys: Sequence[AttributeKey] = (
            SHIPPED_ATTRIBUTES if own is None else (*SHIPPED_ATTRIBUTES, *own.attribute_keys)
        )

    def match(self, model: str, at: datetime) -> Price | OwnPrice | None:
        """What the model costs, named as its sender did, for an observation that starts at an aware time; None if nobody knows."""
        own = None if self._own is None else self._own.match(model, at)
        return own or self._shipped.match(model, at)

    def terms_at(self, model: str, at: datetime) -> PriceTerms:
        """What `match` says, written down, with the starts between which it says the same."""
        price = self.match(model, at)
        turns = self._shipped.turns(model)
        if self._own is not None:
            turns |= self._own.turns(model)
        return PriceTerms(
            model=model,
            since=max((turn for turn in turns if turn <= at), default=None),
            until=min((turn for turn in turns if turn > at), default=None),
            price=None if price is None else price.terms,
        )


class PricesAsOf:
    """The prices for one record."""

    def __init__(
        self,
        shipped: PriceTable,
        own: Mapping[str, OwnPrices] | None,
        received_us: int,
        make_ready: Callable[[str], ReadyTerms],
    ) -> None:
        self._shipped = shipped
        self._own = own
        self._received_us = received_us
        self._make_ready = make_ready
        self._made: dict[str, PricesOfProject] = {}

    def of_project(self, project_id: str) -> PricesOfProject:
        """Raises KeyError for a project that was not prepared: a price must never be missed silently."""
        made = self._made.get(project_id)
        if made is None:
            own = None if self._own is None else self._own[project_id].as_of(self._received_us)
            made = self._made[project_id] = PricesOfProject(self._shipped, own, self._make_ready)
        return made


class PriceList:
    """The shipped prices, and the own models of the projects that were met. Without a `source` no project has any.

    `unknown_models` bounds the names that are counted of models that nobody has a price for. Without it none is: what is folded again
    says nothing of what came.

    `tokens` counts what is priced where nobody told the usage. Without it that stays unknown.
    """

    def __init__(
        self,
        shipped: PriceTable,
        source: OwnModelSource | None = None,
        unknown_models: LabelCap | None = None,
        tokens: TokenCounter | None = None,
    ) -> None:
        self.tokens = tokens
        self._shipped = shipped
        self._source = source
        self._unknown_models = unknown_models
        self._own: OrderedDict[str, OwnPrices] = OrderedDict()
        self._ready_terms: dict[str, ReadyTerms] = {}
        self._until_us = -1
        self._asked_at = float("-inf")
        self._last_version = 0
        self._reading = asyncio.Lock()

    def as_of(self, received_us: int) -> PricesAsOf:
        """The prices for a record that an edge received then, and that `prepare` was told of."""
        return PricesAsOf(
            self._shipped, None if self._source is None else self._own, received_us, self._make_terms_ready
        )

    async def prepare(self, projects: Collection[str], received_us: int) -> None:
        """Have at hand all that prices these projects' records, received up to `received_us`. Raises OUTAGE_ERRORS."""
        if self._source is None:
            return
        if not self._has(projects, received_us):
            async with self._reading:
                if not self._has(projects, received_us):
                    await self._read(self._source, [one for one in projects if one not in self._own])
        for project in projects:
            self._own.move_to_end(project)

    def count_unknown(self, observations: Mapping[tuple[str, str], int]) -> None:
        """Let the metrics know of observations that got no price, by project and model as it was sent."""
        if self._unknown_models is not None:
            for (project, model), number in observations.items():
                labels = self._unknown_models.admit(project, model[:_LABEL_CHARACTERS])
                assembler_unknown_models.labels(*labels).inc(number)

    def count_estimates(self, outcomes: Mapping[Outcome, int]) -> None:
        """Let the metrics know of usage that was to be estimated."""
        if self._unknown_models is not None:
            for outcome, number in outcomes.items():
                assembler_usage_estimates.labels(outcome).inc(number)

    def _make_terms_ready(self, text: str) -> ReadyTerms:
        ready = self._ready_terms.get(text)
        if ready is None:
            if len(self._ready_terms) >= MAX_TERMS:
                self._ready_terms.clear()
            ready = ReadyTerms(load_terms(text), self._shipped.usage_types, compile_stored)
            self._ready_terms[text] = ready
        return ready

    def _has(self, projects: Collection[str], received_us: int) -> bool:
        """An edge whose clock is ahead of the database's must not let each batch ask in vain."""
        fresh = received_us <= self._until_us or time.monotonic() - self._asked_at < ASK_SECONDS
        return fresh and all(project in self._own for project in projects)

    async def _read(self, source: OwnModelSource, missing: Collection[str]) -> None:
        asked_at = time.monotonic()
        read = await source.read(missing, self._own.keys(), self._last_version)
        for project in {*missing, *read.versions}:
            versions = read.versions.get(project)
            self._own[project] = OwnPrices(versions, self._shipped.usage_types, compile_stored) if versions else _no_own
        while len(self._own) > MAX_PROJECTS + len(missing):
            self._own.popitem(last=False)
        self._until_us = max(self._until_us, read.until_us)
        self._last_version = max(self._last_version, read.last_version)
        self._asked_at = asked_at


_no_own: Final = OwnPrices((), (), compile_stored)
