"""Every metric of every process: name, help, unit and labels in one place.

Names are `tailrace_<service>_<thing>_<unit>`. Labels come from closed sets: reasons, partitions, endpoints, and projects and
models under a hard cap. A user, a trace or a session is never a label; those live in Postgres.
"""

from prometheus_client import Counter, Gauge, Histogram

_latency_buckets_seconds = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_size_buckets = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

# Edge
edge_accepted = Counter(
    "tailrace_edge_accepted_events", "Events acknowledged to a client after the broker's ack.", ["project", "endpoint"]
)
edge_rejected = Counter("tailrace_edge_rejected_events", "Events refused, by reason.", ["endpoint", "reason"])
edge_received = Counter("tailrace_edge_received_bytes", "Decompressed request bodies.", ["endpoint"])
edge_requests = Counter("tailrace_edge_requests", "Requests by endpoint and status code.", ["endpoint", "status"])
edge_request_seconds = Histogram(
    "tailrace_edge_request_seconds", "Time to answer a write.", ["endpoint"], buckets=_latency_buckets_seconds
)
edge_inflight = Gauge("tailrace_edge_inflight_bytes", "Bodies that wait for the broker's ack.")
edge_limited = Counter(
    "tailrace_edge_limited_requests",
    "Requests answered 429 for what their own project does, by reason.",
    ["project", "reason"],
)
edge_limiter_failures = Counter(
    "tailrace_edge_limiter_failures", "Times that the limiter failed and let a request pass."
)
edge_behind_seconds = Gauge(
    "tailrace_edge_behind_seconds", "Age of the oldest event that this edge accepted and that is not applied yet."
)
edge_paced_projects = Gauge(
    "tailrace_edge_paced_projects", "Projects slowed because the processors are behind and they send the most."
)
edge_known_edges = Gauge("tailrace_edge_known_edges", "Living edges that divide the quotas, this one included.")
edge_inflight_requests = Gauge("tailrace_edge_inflight_requests", "Authenticated writes that are not answered yet.")
edge_keys_cached = Gauge("tailrace_edge_cached_keys", "API keys held in memory.")

# Every consumer
consumer_lag = Gauge(
    "tailrace_consumer_lag_records", "Records between the log's end and the applied position.", ["topic", "partition"]
)
consumer_lag_seconds = Gauge(
    "tailrace_consumer_lag_seconds", "Age of the oldest record that is not applied yet.", ["topic", "partition"]
)
consumer_position = Gauge("tailrace_consumer_position_offset", "The next offset to apply.", ["topic", "partition"])
consumer_owned = Gauge("tailrace_consumer_owned_partitions", "Partitions that this process holds.")
process_ready = Gauge("tailrace_process_ready", "1 while the process can do its work, else 0.")
postgres_pool_used = Gauge("tailrace_postgres_pool_used_connections", "Database connections in use.")
postgres_pool_size = Gauge("tailrace_postgres_pool_size_connections", "Database connections that are open.")

# Assembler
assembler_folded = Counter(
    "tailrace_assembler_folded_events", "Events folded into observations, traces and scores.", ["kind"]
)
assembler_dead = Counter("tailrace_assembler_dead_events", "Events that cannot be used, by reason.", ["reason"])
assembler_records = Counter("tailrace_assembler_records", "Raw records folded.", ["partition"])
assembler_record_bytes = Counter("tailrace_assembler_record_bytes", "Bytes of raw records folded.", ["partition"])
assembler_hydrations = Counter("tailrace_assembler_hydrations", "Reads of state that was not in memory.", ["partition"])
assembler_unapplied = Gauge(
    "tailrace_assembler_unapplied_bytes", "Folded raw bytes that Postgres has not applied yet.", ["partition"]
)
assembler_state = Gauge("tailrace_assembler_state_bytes", "Applied state kept warm, estimated.", ["partition"])
assembler_epochs = Counter("tailrace_assembler_epochs", "Epochs taken, by cause.", ["cause"])
assembler_halted = Gauge(
    "tailrace_assembler_halted_partitions", "Partitions that stand still until an operator decides."
)
assembler_fold_seconds = Histogram(
    "tailrace_assembler_fold_seconds", "Time to fold one batch of raw records.", buckets=_latency_buckets_seconds
)
assembler_batch = Histogram("tailrace_assembler_batch_records", "Raw records folded together.", buckets=_size_buckets)

assembler_unknown_models = Counter(
    "tailrace_assembler_unknown_model_observations",
    "Observations that were given no price, because nobody knows their model; by the name that was sent.",
    ["project", "model"],
)
assembler_usage_estimates = Counter(
    "tailrace_assembler_usage_estimates",
    "Generations whose tokens were to be counted because no usage came, by what became of it.",
    ["outcome"],
)

# Meter
meter_cost = Counter(
    "tailrace_meter_cost_usd",
    "Cost that came in since this process started; rate it, never bill from it.",
    ["project", "model"],
)
meter_tokens = Counter("tailrace_meter_tokens", "Tokens that came in since this process started.", ["project", "model"])
meter_corrections = Counter(
    "tailrace_meter_corrections_usd",
    "Cost taken back by later corrections, as a positive figure.",
    ["project", "model"],
)
meter_windows = Gauge("tailrace_meter_windows", "Live windows in memory.")
meter_series_overflow = Counter(
    "tailrace_meter_overflow_updates", "Updates counted under `other` because the series cap is reached."
)

# Sink
sink_applied = Counter("tailrace_sink_applied_events", "Events whose rows are in Postgres.", ["project"])
sink_dead_lettered = Counter(
    "tailrace_sink_dead_lettered_events", "Events kept as dead letters, by reason.", ["project", "reason"]
)
sink_rows = Counter("tailrace_sink_written_rows", "Rows written, by table.", ["table"])
sink_flush_seconds = Histogram(
    "tailrace_sink_flush_seconds", "Time of one transaction.", buckets=_latency_buckets_seconds
)
sink_batch = Histogram("tailrace_sink_batch_records", "Assembled records in one transaction.", buckets=_size_buckets)
sink_freshness_seconds = Histogram(
    "tailrace_sink_freshness_seconds", "From the edge's receipt to the commit.", buckets=_latency_buckets_seconds
)
sink_refused = Counter("tailrace_sink_refused_records", "Records that Postgres refused, now dead letters.")
sink_skipped = Counter(
    "tailrace_sink_skipped_records", "Records of an old owner or already applied, by cause.", ["cause"]
)

# Auditor
conservation_events = Gauge(
    "tailrace_conservation_events",
    "Events since the first, by what became of them: accepted = applied + dead_lettered + in_flight + given_up.",
    ["project", "state"],
)
conservation_broken_events = Gauge(
    "tailrace_conservation_broken_events",
    "Events by which that equation is off for longer than the grace time; 0 when it holds.",
    ["project", "partition"],
)
conservation_broken_usd = Gauge(
    "tailrace_conservation_broken_usd",
    "Money by which windows and counted observations differ for longer than the grace time; 0 when they agree.",
    ["project"],
)
audit_behind_seconds = Gauge(
    "tailrace_audit_behind_seconds",
    "Since a partition's events were last held against the log, up to all that is applied.",
    ["partition"],
)
audit_costs_behind_seconds = Gauge(
    "tailrace_audit_costs_behind_seconds", "Since all windows and observations were last compared."
)
audit_read_records = Counter("tailrace_audit_read_records", "Raw records whose headers were counted.")

# Query
query_requests = Counter("tailrace_query_requests", "Requests by route and status code.", ["route", "status"])
query_seconds = Histogram(
    "tailrace_query_seconds", "Time to answer a read.", ["route"], buckets=_latency_buckets_seconds
)
query_prompt_reads = Counter(
    "tailrace_query_prompt_reads", "Reads of one prompt, by where the answer came from: memory or postgres.", ["source"]
)
query_prompt_cache_bytes = Gauge("tailrace_query_prompt_cache_bytes", "Prompts that are kept in memory.")
query_prompt_settle_seconds = Histogram(
    "tailrace_query_prompt_settle_seconds",
    "From the commit of a change of prompts until no process answers from before it.",
    buckets=_latency_buckets_seconds,
)


class LabelCap:
    """Bounds the label sets of a metric: the first `limit` keep their names, later ones share `other`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: set[tuple[str, ...]] = set()
        self.overflowed = 0

    def admit(self, *labels: str) -> tuple[str, ...]:
        if labels in self._known:
            return labels
        if len(self._known) < self._limit:
            self._known.add(labels)
            return labels
        self.overflowed += 1
        return ("other",) * len(labels)
