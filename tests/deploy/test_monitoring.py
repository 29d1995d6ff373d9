"""Alerts, dashboard and scrape configuration name only metrics, labels, services and headings that exist."""

import json
import re
from typing import Any, Final, NamedTuple

import promql_parser
import pytest
from prometheus_client import Counter, Gauge, Histogram
from promql_parser import AggregateExpr, Expr, VectorSelector

from tailrace.runtime import metrics
from tailrace.runtime.settings import Process
from tests.deploy.manifests import DEPLOY, REPOSITORY, read_yaml

SCRAPED_LABELS: Final = frozenset({"job", "instance", "service"})

ALERTS: list[dict[str, Any]] = [
    rule for group in read_yaml(DEPLOY / "prometheus/alerts.yml")["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/dashboards/tailrace.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RUNBOOK = (REPOSITORY / "docs/runbook.md").read_text()


def labels_by_series() -> dict[str, frozenset[str]]:
    """Every series that a process exposes, by its name on /metrics, with its labels."""
    suffixes = {Counter: ("_total",), Gauge: ("",), Histogram: ("_bucket", "_sum", "_count")}
    series: dict[str, frozenset[str]] = {"up": frozenset()}
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            (family,) = metric.describe()
            labels = frozenset(vars(metric)["_labelnames"])
            for suffix in suffixes[type(metric)]:
                series[family.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return series


SERIES = labels_by_series()


class Use(NamedTuple):
    """A series that an expression reads, and the labels of it that the expression selects or groups by."""

    series: str
    labels: set[str]


def uses_in(expression: str) -> list[Use]:
    """Raises ValueError when the expression is not PromQL."""
    uses: list[Use] = []

    def note(node: Expr) -> None:
        if isinstance(node, VectorSelector):
            uses.append(Use(str(node.name), {matcher.name for matcher in node.matchers.matchers}))
        if isinstance(node, AggregateExpr) and node.modifier is not None:
            uses.extend(Use(series, set(node.modifier.labels)) for series in series_in(node.expr))

    promql_parser.walk(promql_parser.parse(expression), note)
    return uses


def series_in(expression: Expr) -> list[str]:
    found: list[str] = []

    def note(node: Expr) -> None:
        if isinstance(node, VectorSelector):
            found.append(str(node.name))

    promql_parser.walk(expression, note)
    return found


def assert_names_exist(expression: str) -> None:
    uses = uses_in(expression)
    assert uses
    for use in uses:
        assert use.series in SERIES
        assert use.labels <= SERIES[use.series] | SCRAPED_LABELS


def test_an_expression_that_names_an_unknown_label_would_be_found() -> None:
    with pytest.raises(AssertionError):
        assert_names_exist("sum by (user) (rate(tailrace_edge_accepted_events_total[5m]))")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_names_series_and_labels_that_exist(alert: dict[str, Any]) -> None:
    assert_names_exist(alert["expr"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_what_an_alert_says_can_be_filled_in(alert: dict[str, Any]) -> None:
    used = set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"]))
    grouped = re.findall(r"by \(([^)]*)\)", alert["expr"])
    kept = {label.strip() for group in grouped for label in group.split(",")} if grouped else None
    available = SCRAPED_LABELS.union(*(SERIES[use.series] for use in uses_in(alert["expr"])))
    assert used <= (available if kept is None else kept)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_has_a_severity_and_its_own_heading_in_the_runbook(alert: dict[str, Any]) -> None:
    name = alert["alert"]
    assert alert["labels"]["severity"] in {"page", "warn", "info"}
    assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
    assert f"\n## {name}\n" in RUNBOOK


def test_every_heading_of_the_runbook_is_an_alert_and_ends_in_quick_checks() -> None:
    sections = re.split(r"^## ", RUNBOOK, flags=re.MULTILINE)[1:]
    assert [section.splitlines()[0] for section in sections] == [alert["alert"] for alert in ALERTS]
    for section in sections:
        _, heading, checks = section.rpartition("### Quick checks\n")
        assert heading
        assert re.fullmatch(r"\n(?:- .+\n)+\n?", checks)


def test_expressions_of_the_runbook_name_series_that_exist() -> None:
    for name in re.findall(r"tailrace_\w+", RUNBOOK):
        assert name in SERIES


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_names_series_and_labels_that_exist(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert_names_exist(target["expr"].replace("$__rate_interval", "5m"))


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows_and_reads_the_provisioned_source(panel: dict[str, Any]) -> None:
    (source,) = read_yaml(DEPLOY / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert panel["description"]
    assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}


def test_no_two_panels_share_an_id_or_a_place() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in panels)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(set(cells)) == len(cells)


def test_the_dashboard_lies_where_grafana_is_told_to_look() -> None:
    (provider,) = read_yaml(DEPLOY / "grafana/provisioning/dashboards/tailrace.yml")["providers"]
    grafana = read_yaml(DEPLOY / "compose.yaml")["services"]["grafana"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/tailrace.json"


def test_prometheus_scrapes_the_probe_port_of_every_process() -> None:
    configuration = read_yaml(DEPLOY / "prometheus/prometheus.yml")
    (job,) = configuration["scrape_configs"]
    (discovery,) = job["dns_sd_configs"]
    assert job["job_name"] == "tailrace"
    assert set(discovery["names"]) == {"edge", "assembler", "meter", "sink", "query", "auditor"}
    assert discovery["port"] == Process().probe_port
    assert configuration["rule_files"] == ["/etc/prometheus/alerts.yml"]
