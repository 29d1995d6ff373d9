"""What a world is like: how much of it there is, and which of the things that go wrong outside of the product are in it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """`traces`, `spans_per_trace` (on the average), `scores`: how many. `text_bytes`: the median length of a text.

    `twice`: each request is delivered two times or more. `big_trace_spans`: one trace of so many spans, children first.
    `dead`: events that nobody can use, each to be refused beside good ones. `late_users`: users that are named last, after the cost. `skewed_clocks`: senders whose
    clocks are up to ten minutes wrong. `an_hour_late`: what began an hour ago is delivered at the end.
    `price_change`: prices may change in the middle to those of `prices.change_prices`.
    """

    traces: int = 60
    spans_per_trace: int = 10
    twice: bool = True
    big_trace_spans: int = 0
    text_bytes: int = 500
    dead: int = 6
    late_users: bool = True
    skewed_clocks: bool = True
    an_hour_late: bool = True
    scores: int = 40
    price_change: bool = False
