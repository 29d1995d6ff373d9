"""The page and the plots of a run hold its figures."""

from typing import Any

from tests.bench.report import floors_page, growth_page, page, peers_page, plots

MACHINE = {
    "cores": 2,
    "processor": "CPU",
    "memory_gib": 24,
    "system": "Linux",
    "commit": "c0ffee",
    "versions": {"python": "3.11"},
}


def found() -> dict[str, Any]:
    cuts = {"p50": 0.012, "p99": 0.5, "max": 0.6}
    one: dict[str, Any] = {
        "stored_spans_per_second": 2345,
        "accepted_spans_per_second": 9876,
        "accepted_mb_per_second": 27.5,
        "accept_seconds": cuts,
        "bytes_per_span": 2761,
        "kafka_bytes_per_span": {"raw": 1000, "assembled": 500},
        "postgres_bytes_per_span": 4000,
        "cores_used": 1.7,
        "cpu_microseconds_per_span": {"sink": 58.0, "generator": 10.0},
        "peak_mib": {"sink": 70.2},
    }
    row: dict[str, Any] = {"load": 0.5, "spans_per_second": 1172, "visible_seconds": cuts, "accept_seconds": cuts}
    lost: dict[str, Any] = {"load": 1.0, "spans_per_second": 2345, "visible_seconds": {}, "accept_seconds": {}}
    workloads: list[dict[str, Any]] = [
        {"workload": "batches", "freshness": [row, lost], **one},
        {"workload": "sdk", **one},
    ]
    tall = {"spans": 10_000, "many_seconds": 4.0, "one_seconds": 6.0, "ratio": 1.5}
    return {"tall": tall, "machine": MACHINE, "command": "python -m tests.bench", "workloads": workloads}


def test_the_page_has_a_row_for_each_figure_and_each_process() -> None:
    lines = page(found()).splitlines()

    assert "| stored, spans/s | 2,345 | 2,345 |" in lines
    assert "| bytes a span in Kafka | 1,500 | 1,500 |" in lines
    assert "| answered after, p50 / p99 | 12 / 500 ms | 12 / 500 ms |" in lines
    assert "| sink | 0.058 | 70 | 0.058 | 70 |" in lines
    assert (
        "10,000 spans in requests of 50 are stored in 4.0 s as traces of ten, and in 6.0 s as one trace: 1.5 times."
        in lines
    )
    assert "| 50% | 1,172 | 0.01 s | 0.50 s | 500 ms |" in lines


def test_where_nothing_came_in_time_the_page_says_so_and_the_plot_leaves_it_out() -> None:
    assert "| 100% | 2,345 | - | - | - |" in page(found()).splitlines()
    assert plots(found())["freshness.svg"].count("<circle") == 2


def test_the_page_of_other_tools_says_how_many_times_as_fast_ours_is() -> None:
    ours = {
        "name": "tailrace",
        "version": None,
        "stored_spans_per_second": 3000,
        "rounds": [2900, 3000],
        "ours_over_it": 1.0,
    }
    other = {
        "name": "Other",
        "version": "1.2",
        "stored_spans_per_second": 200,
        "rounds": [190, 210],
        "ours_over_it": 15.0,
    }
    lines = peers_page({**found(), "tools": [ours, other]}).splitlines()

    assert "| tailrace | 3,000 | 2,900, 3,000 | 1.0 |" in lines
    assert "| Other 1.2 | 200 | 190, 210 | 15.0 |" in lines


def test_the_page_of_floors_has_a_row_for_each_stage() -> None:
    stage = {"stage": "sink", "measured": 58.0, "floor": 29.5, "ratio": 2.0, "parts": {"fetch": 4.0, "COPY": 25.5}}
    lines = floors_page({**found(), "stored_spans_per_second": 2345, "stages": [stage]}).splitlines()

    assert "| sink | 58 | 30 | 2.0 | fetch 4, COPY 26 |" in lines


def test_the_page_of_growth_has_a_row_for_each_level_and_one_for_each_page_that_was_read() -> None:
    levels = [
        level(
            observations=0,
            stored=3000,
            reads=None,
            restart={"first_seconds": 9.9, "last_seconds": 12.0, "not_moved": 0},
        ),
        level(
            observations=100_000,
            stored=2700,
            reads=reads(),
            restart={"first_seconds": 60, "last_seconds": 60, "not_moved": 8},
        ),
    ]
    lines = growth_page({**found(), "levels": levels}).splitlines()

    assert "| 0 | 3,000 | 100% | 0.50 s | 9.9 to 12.0 s | 100 | 50 | 60 |" in lines
    assert "| 100,000 | 2,700 | 90% | 0.50 s | 8 partitions not | 100 | 50 | 60 |" in lines
    assert "| users | 12 ms | 30 ms | 30 ms | 200 ms |" in lines
    assert "Read from one end to the other: observations. Queries of readers that took longer than 100 ms: 2." in lines


def level(*, observations: int, stored: int, reads: dict[str, Any] | None, restart: dict[str, Any]) -> dict[str, Any]:
    beside: dict[str, Any] = {"visible_seconds": {"p50": 0.1, "p99": 0.5}}
    return {
        "observations": observations,
        "maximum": {"stored_spans_per_second": stored, "peak_mib": {"assembler": 100.0, "sink": 50.0, "meter": 60.0}},
        "reads": reads,
        "beside_half": beside if reads is None else {**beside, "reads": reads},
        "restart": restart,
    }


def reads() -> dict[str, Any]:
    users = {"name": "users", "p50": 0.012, "p99": 0.03, "most_ms": 200}
    return {"pages": [users], "whole_scans": {"observations": 3}, "slow_queries": ["duration: 120 ms"]}
