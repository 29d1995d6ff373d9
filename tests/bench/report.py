"""What a bench run found, as a table for people and as plots: the JSON of a run in, Markdown and SVG out."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.load.chart import draw

NAMES = {"batches": "batches (50 spans)", "sdk": "SDK-sized (1 to 15 spans)"}


def page(found: Mapping[str, Any]) -> str:
    """The page of a run."""
    machine = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        "# Benchmark",
        "",
        f"Measured on {machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB, {machine['system']}, commit {machine['commit']}.",
        f"Everything and the generator share the machine. {versions}.",
        "",
        f"`{found['command']}`; all figures are in [bench.json](bench.json).",
        "",
        "**batches**: OTLP requests of 50 spans (5 traces of 10 spans, 6 of each 10 generations with 4 KB of text). **SDK-sized**: one trace of 1 to 15 spans in each request,",
        "half OTLP and half ingestion batches, text of a median of 4 KB and a 99th percentile of 200 KB. Stored is what a read shows: acknowledged by all replicas that there are,",
        "assembled, priced, in all windows, committed.",
        "",
        *_table(
            ["", *(NAMES[one["workload"]] for one in found["workloads"])],
            [[label, *map(value, found["workloads"])] for label, value in _figures.items()],
        ),
        "",
        "CPU seconds for 1,000 spans, and the largest memory of each process in MiB:",
        "",
        *_processes(found["workloads"]),
    ]
    for one in found["workloads"]:
        if "freshness" in one:
            lines += ["", "From the answer until it is readable, at parts of the maximum:", "", *_freshness(one)]
            lines += ["", "![freshness](freshness.svg)"]
    return "\n".join(lines) + "\n"


def plots(found: Mapping[str, Any]) -> dict[str, str]:
    """SVG by file name."""
    drawn: dict[str, str] = {}
    for one in found["workloads"]:
        if rows := one.get("freshness"):
            series = {
                cut: [(row["spans_per_second"], row["visible_seconds"][cut]) for row in rows if row["visible_seconds"]]
                for cut in ("p50", "p99")
            }
            drawn["freshness.svg"] = draw(
                "From the answer until it is readable", series, across="spans/s", up="seconds", dots=True
            )
    return drawn


def _processes(workloads: list[Mapping[str, Any]]) -> list[str]:
    names = workloads[0]["cpu_microseconds_per_span"]
    return _table(
        ["", *(f"{NAMES[one['workload']]}: {what}" for one in workloads for what in ("CPU s", "MiB"))],
        [
            [
                name,
                *(
                    text
                    for one in workloads
                    for text in (
                        f"{one['cpu_microseconds_per_span'][name] / 1000:.3f}",
                        f"{one['peak_mib'].get(name, 0):.0f}" if name in one["peak_mib"] else "",
                    )
                ),
            ]
            for name in names
        ],
    )


def _freshness(one: Mapping[str, Any]) -> list[str]:
    return _table(
        ["of the maximum", "spans/s", "p50", "p99", "answered after, p99"],
        [
            [
                f"{row['load']:.0%}",
                f"{row['spans_per_second']:,}",
                *(f"{row['visible_seconds'][cut]:.2f} s" if row["visible_seconds"] else "-" for cut in ("p50", "p99")),
                f"{row['accept_seconds']['p99'] * 1000:.0f} ms" if row["accept_seconds"] else "-",
            ]
            for row in one["freshness"]
        ],
    )


def _pair(cuts: Mapping[str, float]) -> str:
    return f"{cuts['p50'] * 1000:.0f} / {cuts['p99'] * 1000:.0f} ms"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(head)
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


_figures: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "stored, spans/s": lambda one: f"{one['stored_spans_per_second']:,}",
    "accepted, spans/s": lambda one: f"{one['accepted_spans_per_second']:,}",
    "accepted, MB/s": lambda one: f"{one['accepted_mb_per_second']}",
    "answered after, p50 / p99": lambda one: _pair(one["accept_seconds"]),
    "bytes a span on the wire": lambda one: f"{one['bytes_per_span']:,}",
    "bytes a span in Kafka": lambda one: f"{sum(one['kafka_bytes_per_span'].values()):,}",
    "bytes a span in Postgres": lambda one: f"{one['postgres_bytes_per_span']:,}",
    "cores used": lambda one: f"{one['cores_used']}",
}
