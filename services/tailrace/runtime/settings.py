"""Settings: environment variables in, one frozen `Settings` out, read once in `main` and passed on as an argument.

Every problem is reported together with the name of the variable; nothing here reads the environment at import time.
"""

import functools
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec


class SettingsError(Exception):
    """Some settings cannot be used; `problems` has one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Secret:
    """A text that never shows itself in a repr, a log line or a traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('…')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class Meta(NamedTuple):
    """What `tailrace config` says of a setting: its variable, its unit and one sentence."""

    variable: str
    unit: str
    meaning: str
    minimum: int | None = None


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """The stack on one machine: `tailrace up`."""

    port: Annotated[
        int, Meta("TAILRACE_PORT", "port", "Where `tailrace up` serves ingest and API on one origin.", 0)
    ] = 3000
    data_dir: Annotated[
        str, Meta("TAILRACE_DATA_DIR", "path", "Where `tailrace up` keeps its data, logs and keys.")
    ] = ".tailrace"
    cache_dir: Annotated[
        str | None,
        Meta("TAILRACE_CACHE_DIR", "path", "Where downloaded Kafka jars are kept; the user's cache folder when unset."),
    ] = None
    init_org_id: Annotated[str, Meta("TAILRACE_INIT_ORG_ID", "id", "The organisation created at first start.")] = (
        "default"
    )
    init_org_name: Annotated[str, Meta("TAILRACE_INIT_ORG_NAME", "text", "Its name.")] = "Default organisation"
    init_project_id: Annotated[str, Meta("TAILRACE_INIT_PROJECT_ID", "id", "The project created at first start.")] = (
        "default"
    )
    init_project_name: Annotated[str, Meta("TAILRACE_INIT_PROJECT_NAME", "text", "Its name.")] = "Default project"
    init_project_public_key: Annotated[
        str | None, Meta("TAILRACE_INIT_PROJECT_PUBLIC_KEY", "key", "Its public key; generated when unset.")
    ] = None
    init_project_secret_key: Annotated[
        Secret | None,
        Meta("TAILRACE_INIT_PROJECT_SECRET_KEY", "key", "Its secret key, 16 characters or more; generated when unset."),
    ] = None


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """What every process has: an address for requests, one for probes, a way to log."""

    host: Annotated[str, Meta("TAILRACE_HOST", "address", "The address to listen on.")] = "0.0.0.0"  # noqa: S104
    http_port: Annotated[int, Meta("TAILRACE_HTTP_PORT", "port", "The port of edge and query.", 0)] = 3000
    probe_port: Annotated[int, Meta("TAILRACE_PROBE_PORT", "port", "The port of /livez, /readyz and /metrics.", 0)] = (
        9464
    )
    public_url: Annotated[str, Meta("TAILRACE_PUBLIC_URL", "URL", "How people reach the origin; used in links.")] = (
        "http://localhost:3000"
    )
    log_format: Annotated[
        str, Meta("TAILRACE_LOG_FORMAT", "json, text or auto", "auto: text on a terminal, else JSON.")
    ] = "auto"
    log_level: Annotated[str, Meta("TAILRACE_LOG_LEVEL", "level", "The least level that is logged.")] = "info"
    drain_seconds: Annotated[
        int, Meta("TAILRACE_DRAIN_SECONDS", "seconds", "How long a stopping process may finish its work.", 1)
    ] = 20
    stall_seconds: Annotated[
        int,
        Meta("TAILRACE_STALL_SECONDS", "seconds", "Lag without progress for this long makes a process not alive.", 1),
    ] = 60
    accepted_risks: Annotated[
        str,
        Meta(
            "TAILRACE_ACCEPTED_RISKS",
            "words",
            "Ways to lose data that you accept: few-replicas, no-standby. `tailrace up` accepts both for its own servers.",
        ),
    ] = ""


class Kafka(msgspec.Struct, frozen=True, kw_only=True):
    """The brokers and the topics on them."""

    bootstrap_servers: Annotated[
        str | None,
        Meta("TAILRACE_KAFKA_BOOTSTRAP_SERVERS", "host:port,…", "Your brokers; `tailrace up` starts one when unset."),
    ] = None
    topic_prefix: Annotated[str, Meta("TAILRACE_TOPIC_PREFIX", "text", "Stands before every topic and group name.")] = (
        "tailrace."
    )
    partitions: Annotated[
        int,
        Meta(
            "TAILRACE_PARTITIONS",
            "partitions",
            "Partitions of the raw and assembled topics; fixed when they are created.",
            1,
        ),
    ] = 8
    replication_factor: Annotated[
        int, Meta("TAILRACE_REPLICATION_FACTOR", "replicas", "Replicas of each partition.", 1)
    ] = 1
    retention_days: Annotated[
        int, Meta("TAILRACE_RETENTION_DAYS", "days", "How long the raw log is kept for replays.", 1)
    ] = 7
    send_timeout_seconds: Annotated[
        int, Meta("TAILRACE_KAFKA_SEND_TIMEOUT_SECONDS", "seconds", "A send that takes longer has failed.", 1)
    ] = 10
    session_timeout_seconds: Annotated[
        int,
        Meta(
            "TAILRACE_KAFKA_SESSION_TIMEOUT_SECONDS", "seconds", "A consumer silent for longer loses its partitions.", 6
        ),
    ] = 10


class Postgres(msgspec.Struct, frozen=True, kw_only=True):
    """The database."""

    dsn: Annotated[
        Secret | None,
        Meta(
            "TAILRACE_POSTGRES_DSN",
            "DSN",
            "postgresql://user:password@host:port/name; `tailrace up` starts one when unset.",
        ),
    ] = None
    pool_size: Annotated[
        int, Meta("TAILRACE_POSTGRES_POOL_SIZE", "connections", "Connections that one process may open.", 2)
    ] = 8
    statement_timeout_seconds: Annotated[
        int,
        Meta(
            "TAILRACE_POSTGRES_STATEMENT_TIMEOUT_SECONDS",
            "seconds",
            "A statement of the query service may take this long.",
            1,
        ),
    ] = 30


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the write endpoints."""

    max_body_bytes: Annotated[
        int, Meta("TAILRACE_EDGE_MAX_BODY_BYTES", "bytes", "The largest OTLP body, decompressed.", 1024)
    ] = 64 * 1024 * 1024
    max_observation_bytes: Annotated[
        int, Meta("TAILRACE_EDGE_MAX_OBSERVATION_BYTES", "bytes", "The largest single span or event.", 1024)
    ] = 16 * 1024 * 1024
    max_inflight_bytes: Annotated[
        int,
        Meta(
            "TAILRACE_EDGE_MAX_INFLIGHT_BYTES",
            "bytes",
            "Bodies held at once; above it requests are answered 503, and 429 where one project holds its share of it.",
            1024,
        ),
    ] = 256 * 1024 * 1024
    max_inflight_requests: Annotated[
        int,
        Meta(
            "TAILRACE_EDGE_MAX_INFLIGHT_REQUESTS",
            "requests",
            "Writes under way at once; above it 503, and 429 where one project holds its share of them.",
            2,
        ),
    ] = 512
    events_per_second: Annotated[
        int,
        Meta(
            "TAILRACE_EDGE_EVENTS_PER_SECOND",
            "events",
            "The quota of a project without one of its own; 0: none. `tailrace tenant quota` sets a project's own.",
            0,
        ),
    ] = 0
    bytes_per_second: Annotated[
        int,
        Meta(
            "TAILRACE_EDGE_BYTES_PER_SECOND",
            "bytes",
            "The same in bytes of decompressed bodies; 0: none.",
            0,
        ),
    ] = 0
    pace_lag_ms: Annotated[
        int,
        Meta(
            "TAILRACE_EDGE_PACE_LAG_MS",
            "milliseconds",
            "While the processors fall further behind what is usual than this, projects that send more than their fair share are slowed by 429; 0: never.",
            0,
        ),
    ] = 200
    grpc_port: Annotated[
        int | None,
        Meta(
            "TAILRACE_EDGE_GRPC_PORT",
            "port",
            "The port of OTLP over gRPC; 0: none. When unset `tailrace up` takes 4317, or a free one where that is taken, and an edge alone has none.",
            0,
        ),
    ] = None
    key_cache_size: Annotated[int, Meta("TAILRACE_EDGE_KEY_CACHE_SIZE", "keys", "API keys held in memory.", 1)] = 10_000


class Processing(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of assembler, meter and sink."""

    max_unapplied_bytes: Annotated[
        int,
        Meta(
            "TAILRACE_MAX_UNAPPLIED_BYTES",
            "bytes",
            "Raw bytes of one partition that wait for Postgres; above it, pause.",
            1024,
        ),
    ] = 32 * 1024 * 1024
    max_state_bytes: Annotated[
        int, Meta("TAILRACE_MAX_STATE_BYTES", "bytes", "Applied state that one partition keeps warm in memory.", 1024)
    ] = 64 * 1024 * 1024
    max_spans_per_trace: Annotated[
        int, Meta("TAILRACE_MAX_SPANS_PER_TRACE", "observations", "More observations of one trace are dead letters.", 1)
    ] = 50_000
    estimate_usage: Annotated[
        bool,
        Meta(
            "TAILRACE_ESTIMATE_USAGE",
            "true or false",
            "Count the tokens of generations without usage and cost, where the model's vocabulary is known.",
        ),
    ] = True
    sink_batch_records: Annotated[
        int, Meta("TAILRACE_SINK_BATCH_RECORDS", "records", "Assembled records in one fetch.", 1)
    ] = 500
    max_metric_projects: Annotated[
        int,
        Meta("TAILRACE_MAX_METRIC_SERIES", "series", "Label sets of one metric; the rest is counted under `other`.", 1),
    ] = 1000


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The standing audit of events and money."""

    interval_seconds: Annotated[
        int,
        Meta("TAILRACE_AUDIT_INTERVAL_SECONDS", "seconds", "How often the auditor counts what is new in the log.", 1),
    ] = 10
    grace_seconds: Annotated[
        int,
        Meta(
            "TAILRACE_AUDIT_GRACE_SECONDS",
            "seconds",
            "A difference that stays for longer is an alarm; longer than an event takes from acceptance to Postgres.",
            0,
        ),
    ] = 60
    cost_percent: Annotated[
        int,
        Meta(
            "TAILRACE_AUDIT_COST_PERCENT", "percent", "Share of the time that the audit of money may ask Postgres.", 1
        ),
    ] = 5


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set, one struct for each component."""

    stack: Stack = Stack()
    process: Process = Process()
    kafka: Kafka = Kafka()
    postgres: Postgres = Postgres()
    edge: Edge = Edge()
    processing: Processing = Processing()
    audit: Audit = Audit()


class Setting(NamedTuple):
    """One row of `tailrace config`."""

    variable: str
    unit: str
    default: str
    meaning: str
    component: str


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings from `environment`.

    Raises SettingsError naming every unusable variable, and every `TAILRACE_` variable that does not exist.
    """
    problems = _unknown_variables(environment)
    components: dict[str, Any] = {}
    for component, struct in _components():
        values: dict[str, Any] = {}
        for field, kind, meta in _fields(struct):
            text = environment.get(meta.variable, "")
            if text == "":
                continue
            try:
                values[field] = _cast(text, kind, meta)
            except ValueError as error:
                problems.append(f"{meta.variable}: {error}")
        components[component] = struct(**values)
    if problems:
        raise SettingsError(problems)
    return Settings(**components)


def describe_settings() -> list[Setting]:
    """Every setting with its meaning, unit and default, in the order of the components."""
    rows: list[Setting] = []
    for component, struct in _components():
        defaults = struct()
        for field, _, meta in _fields(struct):
            default = getattr(defaults, field)
            rows.append(
                Setting(meta.variable, meta.unit, "" if default is None else _text_of(default), meta.meaning, component)
            )
    return rows


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment variables from which `load_settings` makes `settings` again; for child processes."""
    environment: dict[str, str] = {}
    for component, struct in _components():
        values = getattr(settings, component)
        for field, _, meta in _fields(struct):
            value = getattr(values, field)
            if value is not None:
                environment[meta.variable] = value.reveal() if isinstance(value, Secret) else _text_of(value)
    return environment


def _components() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    yield from get_type_hints(Settings).items()


@functools.cache
def _fields(struct: type[msgspec.Struct]) -> list[tuple[str, type, Meta]]:
    hints = get_type_hints(struct, include_extras=True)
    found: list[tuple[str, type, Meta]] = []
    for name, hint in hints.items():
        kind, meta = get_args(hint)
        found.append((name, _plain(kind), meta))
    return found


def _plain(kind: Any) -> type:
    if get_origin(kind) is types.UnionType:
        return next(part for part in get_args(kind) if part is not types.NoneType)
    return kind


def _cast(text: str, kind: type, meta: Meta) -> object:
    if kind is int:
        return _whole_number(text, meta)
    if kind is bool:
        return _truth(text, meta)
    casts: dict[type, Callable[[str], object]] = {str: str, Secret: Secret}
    return casts[kind](text)


def _truth(text: str, meta: Meta) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"expected {meta.unit}, got {text!r}")
    return text.lower() == "true"


def _text_of(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _whole_number(text: str, meta: Meta) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"expected a whole number ({meta.unit}), got {text!r}") from None
    if meta.minimum is not None and number < meta.minimum:
        raise ValueError(f"expected at least {meta.minimum} {meta.unit}, got {number}")
    if meta.unit == "port" and number > 65535:
        raise ValueError(f"expected a port up to 65535, got {number}")
    return number


_TEST_PREFIX = "TAILRACE_TEST_"


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = {meta.variable for _, struct in _components() for _, _, meta in _fields(struct)}
    return [
        f"{name}: there is no such setting; `tailrace config` lists them"
        for name in sorted(environment)
        if name.startswith("TAILRACE_") and name not in known and not name.startswith(_TEST_PREFIX)
    ]
