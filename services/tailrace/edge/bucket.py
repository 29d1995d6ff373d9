"""A token bucket: a rate in, an answer whether there is anything left out. Pure: the time is an argument, in seconds.

What is taken may be more than what is left. The rest is a debt, and nothing more is granted until it is paid: so a request that is larger
than the bucket is never refused for ever, and the rate holds in the long run all the same.
"""

from typing import Final

BURST_SECONDS: Final = 10.0
"""A bucket holds what comes back in this time. SDKs send in bursts, and give up after a few tries: a burst should pass whole."""


class Bucket:
    """`rate` comes back every second, until `rate * seconds` are there. It begins full."""

    def __init__(self, rate: float, now: float, *, seconds: float = BURST_SECONDS) -> None:
        self._rate = rate
        self._seconds = seconds
        self._left = self.capacity
        self._at = now

    @property
    def rate(self) -> float:
        return self._rate

    @property
    def capacity(self) -> float:
        """What there is at most."""
        return self._rate * self._seconds

    def set_rate(self, rate: float, now: float) -> None:
        """Go on at another rate. A debt stays what it is."""
        if rate != self._rate:
            self._refill(now)
            self._rate = rate
            self._left = min(self._left, self.capacity)

    def left(self, now: float) -> float:
        """What may be taken, below 0 while there is a debt."""
        self._refill(now)
        return self._left

    def take(self, amount: float, now: float) -> None:
        """Take it, whatever is left. A negative amount gives back."""
        self._refill(now)
        self._left = min(self._left - amount, self.capacity)

    def wait_seconds(self, now: float) -> float:
        """How long until something is left, at the present rate."""
        left = self.left(now)
        return 0.0 if left > 0 else (1 - left) / self._rate

    def full_in_seconds(self, now: float) -> float:
        """How long until it is full, if nothing is taken."""
        return (self.capacity - self.left(now)) / self._rate

    def _refill(self, now: float) -> None:
        # A clock that is set back gives nothing and takes nothing.
        self._left = min(self._left + max(0.0, now - self._at) * self._rate, self.capacity)
        self._at = now
