"""A record as it is kept: what a run sent, without this machine's names, paths and ports.

In: the requests of one run. Out: files NN.pb or NN.json, without their compression, and expected.json in a folder. A body in which nothing
had to be replaced is kept byte for byte.
"""

import json
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from tests.e2e.environments import REPOSITORY, node_folder
from tests.payloads import Recorded

MAX_RECORD_BYTES: Final = 200_000
JSON: Final = "application/json"
_OF_MACHINE: Final = re.compile(r"(?:host|os|process|container|cloud|device)\.|service\.instance\.id$")
_PORT_KEYS: Final = frozenset({"server.port", "net.peer.port", "network.peer.port"})
_PORT: Final = 443
_SIGNS: Final = (b"/tmp/", b"/root", b"/work", b"127.0.0.1", b"localhost", b"host.name", b"process.pid", b"sk-lf-")


class Kept(NamedTuple):
    """A request as it is kept, without its compression."""

    path: str
    content_type: str
    body: bytes


class Scrubber:
    """Replaces what is of this machine in texts: the longest first."""

    def __init__(self, home: Path, urls: Mapping[str, str]) -> None:
        """`urls`: addresses of this run, and the fixed ones that are written for them."""
        plain = {str(home): "/app", str(node_folder()): "/usr/bin", str(REPOSITORY): "/app", f"{Path.home()}/": "/app/"}
        plain |= {socket.gethostname(): "story-host", "127.0.0.1": "provider"}
        for url, written in urls.items():
            plain |= {url: written, urlsplit(url).netloc: urlsplit(written).netloc}
        self._pairs = sorted(plain.items(), key=lambda pair: -len(pair[0]))

    def text(self, text: str) -> str:
        for found, written in self._pairs:
            text = text.replace(found, written)
        return text

    def request(self, request: Recorded) -> Kept:
        """The request as it is kept."""
        content_type = request.headers["content-type"].split(";")[0]
        scrub = self._json if content_type == JSON else self._protobuf
        return Kept(request.path, content_type, scrub(request.decoded()))

    def _json(self, body: bytes) -> bytes:
        before: Any = json.loads(body)
        after = self._value(before)
        return body if after == before else json.dumps(after, ensure_ascii=False, separators=(",", ":")).encode()

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            items = cast("list[Any]", value)
            return [self._value(item) for item in items if not _is_of_machine(item)]
        if not isinstance(value, dict):
            return value
        known = cast("dict[str, Any]", value)
        if known.get("key") in _PORT_KEYS and "value" in known:
            return {**known, "value": {"intValue": _PORT}}
        return {key: self._value(item) for key, item in known.items()}

    def _protobuf(self, body: bytes) -> bytes:
        request = ExportTraceServiceRequest.FromString(body)
        before = request.SerializeToString(deterministic=True)
        for resource_spans in request.resource_spans:
            attributes = resource_spans.resource.attributes
            kept = [each for each in attributes if not _OF_MACHINE.match(each.key)]
            del attributes[:]
            attributes.extend(kept)
            self._attributes(attributes)
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    span.status.message = self.text(span.status.message)
                    self._attributes(span.attributes)
                    for event in span.events:
                        self._attributes(event.attributes)
        after = request.SerializeToString(deterministic=True)
        return body if after == before else after

    def _attributes(self, attributes: Iterable[KeyValue]) -> None:
        for attribute in attributes:
            if attribute.key in _PORT_KEYS:
                attribute.value.int_value = _PORT
            else:
                self._any_value(attribute.value)

    def _any_value(self, value: AnyValue) -> None:
        if value.HasField("string_value"):
            value.string_value = self.text(value.string_value)
        elif value.HasField("array_value"):
            for item in value.array_value.values:
                self._any_value(item)
        elif value.HasField("kvlist_value"):
            self._attributes(value.kvlist_value.values)


def _is_of_machine(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    key = cast("dict[str, Any]", item).get("key")
    return isinstance(key, str) and _OF_MACHINE.match(key) is not None


def leftovers(body: bytes) -> list[str]:
    """What in a body still speaks of the machine that made it, or of a key."""
    return [sign.decode() for sign in _SIGNS if sign in body]


def write_record(folder: Path, requests: Sequence[Kept], expected: Mapping[str, Any]) -> int:
    """Replaces what the folder held and returns how many bytes the bodies have. Raises ValueError for a record that must not be kept."""
    size = sum(len(request.body) for request in requests)
    if size > MAX_RECORD_BYTES:
        raise ValueError(f"{folder.name} has {size} bytes, more than {MAX_RECORD_BYTES}")
    if left := [sign for request in requests for sign in leftovers(request.body)]:
        raise ValueError(f"{folder.name} still holds {left}")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    entries: list[dict[str, str]] = []
    for number, request in enumerate(requests, start=1):
        name = f"{number:02}.{'json' if request.content_type == JSON else 'pb'}"
        (folder / name).write_bytes(request.body)
        entries.append({"file": name, "path": request.path, "content_type": request.content_type})
    text = json.dumps({**expected, "requests": entries}, indent=2, ensure_ascii=False)
    (folder / "expected.json").write_text(text + "\n", encoding="utf-8")
    return size
