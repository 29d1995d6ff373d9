"""The measurement of prompts measures: every read is answered, from memory where there is a lease, and writes are timed beside them."""

import pytest

from tests.load.prompts import measure_prompts

pytestmark = pytest.mark.integration


def test_reads_of_every_kind_are_counted_and_timed() -> None:
    found = measure_prompts(rate=20, seconds=1)

    for kind in ("memory", "memory_while_written", "postgres"):
        assert found[kind]["n"] + found[kind]["told_to_come_back"] == 20
        assert 0 < found[kind]["p50_ms"] <= found[kind]["p99_ms"] <= found[kind]["max_ms"]
    assert found["writes_of_another_process"]["n"] > 0
    assert found["most_reads_per_second"] > 20
