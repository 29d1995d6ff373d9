"""Whose fault a run of failures is: a record that was used before is folded once more, on its own. If that fails now, we are broken.

Nothing of what it folds to is kept or sent.
"""

from tailrace.assembler.fold import Fold
from tailrace.assembler.mapping import map_record
from tailrace.assembler.price_list import PriceList
from tailrace.assembler.repository import Repository
from tailrace.assembler.state import PartitionState
from tailrace.runtime.log import get_logger
from tailrace.runtime.raw_record import FetchRaw, RawGoneError, RawOrigin
from tailrace.runtime.settings import Processing

log = get_logger(__name__)


class Witness:
    """Tries the last record of a partition of which something was applied."""

    def __init__(self, repository: Repository, fetch_raw: FetchRaw, prices: PriceList, limits: Processing) -> None:
        self._repository = repository
        self._fetch_raw = fetch_raw
        self._prices = prices
        self._limits = limits

    async def accuses_us(self, partition: int, up_to: int) -> bool | None:
        """Whether that record, at an origin of at most `up_to`, fails now; None when there is none. Raises OUTAGE_ERRORS and KAFKA_ERRORS."""
        origin = await self._repository.last_used_origin(partition, up_to)
        if origin is None:
            return None
        try:
            raw = await self._fetch_raw(partition, origin)
        except RawGoneError:
            return None
        await self._prices.prepare({raw.headers.project_id}, raw.headers.received_at_us)
        try:
            self._fold(origin, raw)
        except Exception:
            log.exception("assembler.witness.failed", partition=partition, origin=origin)
            return True
        return False

    def _fold(self, origin: int, raw: RawOrigin) -> None:
        fold = Fold(
            PartitionState(self._limits.max_state_bytes),
            self._prices,
            origin=origin,
            received_us=raw.headers.received_at_us,
            max_spans=self._limits.max_spans_per_trace,
        )
        for change in map_record(raw.headers, raw.value).changes:
            fold.apply(change)
        fold.estimate_usage()
        fold.find_turned()
        fold.finish()
