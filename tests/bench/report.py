"""What a bench run found, as a table for people and as plots: the JSON of a run in, Markdown and SVG out."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.bench.reads import SLOW_MS
from tests.load.chart import draw

NAMES = {"batches": "batches (50 spans)", "sdk": "SDK-sized (1 to 15 spans)"}


def page(found: Mapping[str, Any]) -> str:
    """The page of a run."""
    lines = [
        "# Benchmark",
        "",
        *_setting(found, "bench.json"),
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
    tall = found["tall"]
    lines += [
        "",
        f"{tall['spans']:,} spans in requests of 50 are stored in {tall['many_seconds']} s as traces of ten, and in {tall['one_seconds']} s as one trace: {tall['ratio']} times.",
    ]
    for one in found["workloads"]:
        if "freshness" in one:
            lines += ["", "From the answer until it is readable, at parts of the maximum:", "", *_freshness(one)]
            lines += ["", "![freshness](freshness.svg)"]
    return "\n".join(lines) + "\n"


def growth_page(found: Mapping[str, Any]) -> str:
    """The page of a run with more and more stored."""
    levels = found["levels"]
    empty = levels[0]["maximum"]["stored_spans_per_second"]
    lines = [
        "# Growth",
        "",
        *_setting(found, "growth.json"),
        "",
        "The same load (batches of 50 spans) and the same pages with so many observations stored:",
        "",
        *_table(
            [
                "stored",
                "spans/s",
                "of empty",
                "p99 until readable, at half load",
                "partitions move again after kill -9",
                "assembler, MiB",
                "sink, MiB",
                "meter, MiB",
            ],
            [
                [
                    f"{level['observations']:,}",
                    f"{level['maximum']['stored_spans_per_second']:,}",
                    f"{level['maximum']['stored_spans_per_second'] / empty:.0%}",
                    f"{level['beside_half']['visible_seconds'].get('p99', float('nan')):.2f} s",
                    _restart(level["restart"]),
                    *(f"{level['maximum']['peak_mib'][name]:.0f}" for name in ("assembler", "sink", "meter")),
                ]
                for level in levels
            ],
        ),
    ]
    for level in levels:
        if level["reads"]:
            beside = {page["name"]: page for page in level["beside_half"]["reads"]["pages"]}
            lines += ["", f"Pages with {level['observations']:,} observations, and beside half of the maximum:", ""]
            lines += _table(
                ["page", "p50", "p99", "p99 beside", "at most"],
                [
                    [
                        page["name"],
                        *(f"{page[cut] * 1000:.0f} ms" for cut in ("p50", "p99")),
                        f"{beside[page['name']]['p99'] * 1000:.0f} ms",
                        f"{page['most_ms']} ms",
                    ]
                    for page in level["reads"]["pages"]
                ],
            )
            scans = level["reads"]["whole_scans"] | level["beside_half"]["reads"]["whole_scans"]
            slow = len(level["reads"]["slow_queries"]) + len(level["beside_half"]["reads"]["slow_queries"])
            lines += [
                "",
                f"Read from one end to the other: {', '.join(sorted(scans)) or 'no table'}. Queries of readers that took longer than {SLOW_MS} ms: {slow}.",
            ]
    return "\n".join(lines) + "\n"


def floors_page(found: Mapping[str, Any]) -> str:
    """The page of the floors."""
    rows = [
        [
            one["stage"],
            f"{one['measured']:.0f}",
            f"{one['floor']:.0f}",
            f"{one['ratio']:.1f}",
            ", ".join(f"{name} {cost:.0f}" for name, cost in one["parts"].items()),
        ]
        for one in found["stages"]
    ]
    lines = [
        "# Floors",
        "",
        *_setting(found, "floors.json"),
        "",
        f"CPU in µs a span, at {found['stored_spans_per_second']:,} spans/s stored, and what the irreducible work of each stage costs when nothing else is done:",
        "",
        *_table(["stage", "in the stack", "floor", "ratio", "the floor's parts"], rows),
    ]
    return "\n".join(lines) + "\n"


def peers_page(found: Mapping[str, Any]) -> str:
    """The page of a run against other tools."""
    rows = [
        [
            f"{one['name']} {one['version'] or ''}".strip(),
            f"{one['stored_spans_per_second']:,.0f}",
            ", ".join(f"{figure:,}" for figure in one["rounds"]),
            f"{one['ours_over_it']:.1f}",
        ]
        for one in found["tools"]
    ]
    lines = [
        "# Other tools",
        "",
        *_setting(found, "peers.json"),
        "",
        "OTLP requests of 50 spans (5 traces of 10 spans, 6 of each 10 generations with 4 KB of text), 16 connections, as fast as they are taken until all rows are stored, each tool in turn",
        "on a Postgres of the same make and settings. Ours prices every generation, keeps windows for each user and acknowledges what is durable; the others were given the same bytes and did neither.",
        "",
        *_table(["tool", "stored, spans/s", "in each turn", "ours is so many times that"], rows),
    ]
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


def _setting(found: Mapping[str, Any], file: str) -> list[str]:
    machine = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return [
        f"Measured on {machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB, {machine['system']}, commit {machine['commit']}.",
        f"Everything and the generator share the machine. {versions}.",
        "",
        f"`{found['command']}`; all figures are in [{file}]({file}).",
    ]


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


def _restart(found: Mapping[str, Any]) -> str:
    if found["not_moved"]:
        return f"{found['not_moved']} partitions not"
    return f"{found['first_seconds']:.1f} to {found['last_seconds']:.1f} s"


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
