"""Quotas: a sender and what its request costs in, nothing or a 429 out. Works from memory alone.

A request passes while anything is left of each of its project's buckets, and then costs what it costs (see tailrace.edge.bucket). Each edge
gives its share of the quota. A fault in here lets the request pass and is counted: it must never be the reason that an event is lost.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn

from tailrace.edge.answers import RETRY_AFTER_SECONDS, Limit, Refusal, refuse_limited
from tailrace.edge.bucket import BURST_SECONDS, Bucket
from tailrace.edge.exchange import Exchange
from tailrace.edge.pace import Pacer
from tailrace.runtime import metrics
from tailrace.runtime.keys import Principal
from tailrace.runtime.log import get_logger
from tailrace.runtime.settings import Edge

log = get_logger(__name__)

MOST_PROJECTS: Final = 10_000
"""Whose buckets are kept. Those of the one that was not seen for the longest go first, and come back full."""


class _Account(NamedTuple):
    """One limit of a project: its bucket at this edge, and the whole quota a second."""

    bucket: Bucket
    quota: int


class Quotas:
    """The buckets of the projects that have a quota. `clock`: seconds since 1970."""

    def __init__(self, defaults: Edge, exchange: Exchange, pacer: Pacer, clock: Callable[[], float]) -> None:
        self._defaults = defaults
        self._exchange = exchange
        self._pacer = pacer
        self._clock = clock
        self._accounts: OrderedDict[str, dict[str, _Account]] = OrderedDict()

    def check(self, sender: Principal) -> None:
        """Before a body is read. Raises Refusal while nothing is left."""
        with open_on_failure:
            now = self._clock()
            for name, account in self._accounts_of(sender, now).items():
                if account.bucket.left(now) <= 0:
                    self._refuse(name, account, now)
            self._check_pace(sender, now)

    def charge_bytes(self, sender: Principal, size: int) -> None:
        """Once a body is read. Raises Refusal when others of the project took the rest meanwhile."""
        with open_on_failure:
            self._charge(sender, "bytes", size)

    def charge_events(self, sender: Principal, events: int, work: float) -> None:
        """Before that many events are published. Raises Refusal when others of the project took the rest meanwhile."""
        with open_on_failure:
            now = self._clock()
            self._check_pace(sender, now)
            self._charge(sender, "events", events)
            self._pacer.take(sender.project_id, work, now)

    def give_back(self, sender: Principal, events: int, size: int, work: float) -> None:
        """What was charged for a request that was then refused."""
        with open_on_failure:
            now = self._clock()
            accounts = self._accounts_of(sender, now)
            for name, amount in (("events", events), ("bytes", size)):
                if name in accounts:
                    accounts[name].bucket.take(-amount, now)
            self._pacer.take(sender.project_id, -work, now)

    def headers(self, sender: Principal) -> dict[str, str]:
        """The limit that is nearest, for an answer; none where the project has no quota."""
        with open_on_failure:
            now = self._clock()
            accounts = self._accounts_of(sender, now)
            if accounts:
                name, account = min(
                    accounts.items(), key=lambda item: item[1].bucket.left(now) / item[1].bucket.capacity
                )
                return _limit(name, account, now, account.bucket.full_in_seconds(now)).headers(now)
        return {}

    def most_body_bytes(self, sender: Principal, most: int) -> int:
        """The largest body that the project may send to an endpoint that takes `most`."""
        own = sender.quota.max_body_bytes
        return most if own is None else min(own, most)

    def _charge(self, sender: Principal, name: str, amount: int) -> None:
        now = self._clock()
        account = self._accounts_of(sender, now).get(name)
        if account is None:
            return
        if account.bucket.left(now) <= 0:
            self._refuse(name, account, now)
        account.bucket.take(amount, now)

    def _check_pace(self, sender: Principal, now: float) -> None:
        pace = self._pacer.bucket(sender.project_id, now)
        if pace is not None and pace.left(now) <= 0:
            self._pacer.refused(sender.project_id)
            # How long it is held changes all the time. Who is told to wait for long may give up.
            limit = Limit("paced", max(1, round(pace.capacity)), 0, min(pace.wait_seconds(now), RETRY_AFTER_SECONDS))
            message = "the installation is behind, and this project sends more than its share; send again later"
            raise refuse_limited(message, limit)

    def _refuse(self, name: str, account: _Account, now: float) -> NoReturn:
        message = f"the project's quota of {account.quota} {name} a second is used up; send again later"
        # Where a project turns, its share of the quota follows within seconds: it is told when the whole quota has paid its debt.
        wait_seconds = account.bucket.wait_seconds(now) * account.bucket.rate / account.quota
        raise refuse_limited(message, _limit(name, account, now, wait_seconds))

    def _accounts_of(self, sender: Principal, now: float) -> dict[str, _Account]:
        events = _own_or(sender.quota.events_per_second, self._defaults.events_per_second)
        size = _own_or(sender.quota.bytes_per_second, self._defaults.bytes_per_second)
        if not events and not size:
            self._accounts.pop(sender.project_id, None)
            return {}
        wanted = {name: quota for name, quota in (("events", events), ("bytes", size)) if quota}
        share = self._exchange.share(sender.project_id)
        known = self._accounts.get(sender.project_id, {})
        accounts = {name: _renew(known.get(name), quota, quota * share, now) for name, quota in wanted.items()}
        self._accounts[sender.project_id] = accounts
        self._accounts.move_to_end(sender.project_id)
        if len(self._accounts) > MOST_PROJECTS:
            self._accounts.popitem(last=False)
        return accounts


def _renew(account: _Account | None, quota: int, rate: float, now: float) -> _Account:
    if account is None:
        return _Account(Bucket(rate, now), quota)
    account.bucket.set_rate(rate, now)
    return account if account.quota == quota else _Account(account.bucket, quota)


def _own_or(own: int | None, default: int) -> int:
    return default if own is None else own


def _limit(name: str, account: _Account, now: float, wait_seconds: float) -> Limit:
    """In terms of the whole quota: what ten seconds of it hold, and what is left of that, as seen from this edge."""
    limit = round(account.quota * BURST_SECONDS)
    remaining = max(0, int(limit * account.bucket.left(now) / account.bucket.capacity))
    return Limit("quota_events" if name == "events" else "quota_bytes", limit, remaining, wait_seconds)


class _OpenOnFailure:
    """Lets whatever fails in its block pass, counted, except a Refusal. A class, because each request enters it several times."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if error is None or isinstance(error, Refusal) or not isinstance(error, Exception):
            return False
        metrics.edge_limiter_failures.inc()
        log.error("edge.limiter.failed", exc_info=error)
        return True


open_on_failure: Final = _OpenOnFailure()
