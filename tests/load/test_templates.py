"""The bodies of the load are what the SDKs send, are drawn from the sizes that they are said to have, and know what they cost."""

import random
import statistics
from decimal import Decimal

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.load.stories import MEDIAN_BYTES, draw_size
from tests.load.templates import INGESTION_PATH, TRACES_PATH, Template, make_template, make_templates, trace_id_of

SDK = make_templates("sdk")


def ids_of(body: bytes, path: str) -> set[str]:
    """The ids of all observations."""
    if path == TRACES_PATH:
        request = ExportTraceServiceRequest.FromString(body)
        return {span.span_id.hex() for span in request.resource_spans[0].scope_spans[0].spans}
    return {event["body"]["id"] for event in orjson.loads(body)["batch"] if event["type"] != "trace-create"}


@pytest.mark.parametrize("path", [TRACES_PATH, INGESTION_PATH])
def test_each_request_has_ids_of_its_own(path: str) -> None:
    template = next(one for one in SDK if one.path == path and one.spans > 3)
    first, second = (ids_of(template.fresh(), path) for _ in range(2))

    assert len(first) == len(second) == template.spans
    assert not first & second


def test_requests_of_sdks_have_up_to_15_spans_half_of_them_by_each_protocol() -> None:
    assert {template.spans for template in SDK} == set(range(1, 16))
    assert sum(template.path == INGESTION_PATH for template in SDK) == len(SDK) / 2
    assert all(template.events == template.spans + (template.path == INGESTION_PATH) for template in SDK)


def test_sizes_have_the_median_and_the_99th_percentile_of_practice() -> None:
    rng = random.Random(1)
    hundredths = statistics.quantiles((draw_size(rng) for _ in range(50_000)), n=100)

    assert hundredths[49] == pytest.approx(MEDIAN_BYTES, rel=0.05)
    assert hundredths[98] == pytest.approx(200_000, rel=0.1)


def test_a_batch_is_five_traces_of_ten_spans_of_which_six_are_generations_with_four_kilobytes() -> None:
    template = make_template(1, traces=5)

    assert template.spans == template.events == 50
    assert 30 * 4_000 < len(template.body) < 30 * 4_000 * 1.25
    assert trace_id_of(template.fresh()) != trace_id_of(template.fresh())


def test_the_requests_of_a_tall_trace_are_of_one_trace_with_spans_of_their_own() -> None:
    (template,) = make_templates("tall")
    first, second = template.fresh(), template.fresh()

    assert trace_id_of(first) == trace_id_of(second)
    assert not ids_of(first, TRACES_PATH) & ids_of(second, TRACES_PATH)


@pytest.mark.parametrize("template", [make_template(1, traces=5), SDK[0], SDK[1]], ids=["batch", "ingestion", "otlp"])
def test_what_it_costs_is_what_its_tokens_cost(template: Template) -> None:
    assert sum(template.cost.values()) == _cost_of(template)


def _cost_of(template: Template) -> Decimal:
    """By the price page, of the tokens in the body."""
    usages: list[dict[str, int]] = []
    if template.path == INGESTION_PATH:
        bodies = (event["body"] for event in orjson.loads(template.body)["batch"])
        usages = [body["usageDetails"] for body in bodies if "usageDetails" in body]
    else:
        request = ExportTraceServiceRequest.FromString(template.body)
        attributes = (
            attribute for span in request.resource_spans[0].scope_spans[0].spans for attribute in span.attributes
        )
        usages = [
            orjson.loads(attribute.value.string_value)
            for attribute in attributes
            if attribute.key == "langfuse.observation.usage_details"
        ]
    return (
        sum(
            (
                Decimal(usage["input"]) * Decimal("0.15") + Decimal(usage["output"]) * Decimal("0.60")
                for usage in usages
            ),
            Decimal(0),
        )
        / 1_000_000
    )
