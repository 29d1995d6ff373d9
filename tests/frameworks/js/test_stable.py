"""What a record loses on its way into the repository, and what it keeps."""

import json
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.assembler.mapping.senders import any_value, span, trace_request
from tests.frameworks.js.stable import Scrubber, leftovers
from tests.frameworks.js.table import BEGIN, END, Row, write_table
from tests.payloads import Recorded

SCRUBBER = Scrubber(Path("/elsewhere/story"), {"http://127.0.0.1:40001": "http://provider"})
NAMES_THE_MACHINE = {"url": "http://127.0.0.1:40001/v1", "server.port": 40001, "error": "at /elsewhere/story/a.mjs:1"}


def posted(body: bytes, content_type: str) -> Recorded:
    return Recorded(method="POST", path="/", headers={"content-type": content_type}, body=body, status=200)


def test_json_loses_addresses_paths_ports_and_what_the_resource_says_of_the_host() -> None:
    body = trace_request([span(NAMES_THE_MACHINE)], resource={"host.name": "desk-7", "service.name": "story"})

    kept = json.loads(SCRUBBER.request(posted(body, "application/json")).body)

    (group,) = kept["resourceSpans"]
    assert [each["key"] for each in group["resource"]["attributes"]] == ["service.name"]
    (found,) = group["scopeSpans"][0]["spans"]
    written = {"url": "http://provider/v1", "server.port": 443, "error": "at /app/a.mjs:1"}
    assert {each["key"]: each["value"] for each in found["attributes"]} == {
        "url": any_value(written["url"]),
        "server.port": {"intValue": 443},
        "error": any_value(written["error"]),
    }


def test_protobuf_loses_the_same() -> None:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.add(key="process.pid").value.int_value = 7
    found = resource_spans.scope_spans.add().spans.add()
    found.attributes.add(key="server.port").value.int_value = 40001
    found.attributes.add(key="urls").value.array_value.values.add(string_value="http://127.0.0.1:40001/v1")

    kept = ExportTraceServiceRequest.FromString(
        SCRUBBER.request(posted(request.SerializeToString(), "application/x-protobuf")).body
    )

    (group,) = kept.resource_spans
    assert list(group.resource.attributes) == []
    port, urls = group.scope_spans[0].spans[0].attributes
    assert port.value.int_value == 443
    assert urls.value.array_value.values[0].string_value == "http://provider/v1"


def test_a_body_without_any_of_it_is_kept_byte_for_byte() -> None:
    body = b'{ "batch" : [ {"name": "caf\\u00e9"} ] }'

    assert SCRUBBER.request(posted(body, "application/json; charset=utf-8")).body == body


def test_leftovers_name_what_must_not_be_kept() -> None:
    assert leftovers(b'{"a": "/tmp/x", "b": "sk-lf-1"}') == ["/tmp/", "sk-lf-"]
    assert leftovers(b'{"a": "provider"}') == []


def test_a_run_of_some_rows_leaves_the_others_in_the_table(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{BEGIN}\n{END}\nafter\n", encoding="utf-8")
    write_table(path, [Row("b", "two", "1.0", calls=2, size=1200), Row("a", "one", "1.0", calls=1, size=10)])

    write_table(path, [Row("b", "two", "1.1", problem="exit code 1")])

    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert [line for line in text.splitlines() if line.startswith("| js-")] == [
        "| js-a | one | 1.0 | 1 | 10 | recorded |",
        "| js-b | two | 1.1 | 0 | 0 | not recorded: exit code 1 |",
    ]
