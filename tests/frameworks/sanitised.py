"""Takes out of a recorded request what names the machine that recorded it: paths, host names, ports, processes.

Everything else stays as it came, ids and times too. A protobuf body is decoded and encoded again, fields that we do not know included.
"""

import json
import re
import socket
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

_OF_MACHINE: Final = re.compile(r"^(host|os|process|container|cloud|device)\.|^service\.instance\.id$")
_USER_KEYS: Final = frozenset({"mlflow.user", "enduser.name"})
_PORT_KEYS: Final = frozenset({"server.port", "net.peer.port", "network.peer.port"})
_PORT: Final = 443


class Replacements(NamedTuple):
    """What is replaced in every text, the longest first."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, home: Path, scripts: Path, *urls: tuple[str, str]) -> "Replacements":
        """Of an environment and the scripts: their folders, the interpreter's, the host's name, and the URLs with their ports."""
        places = {str(home): "/app", str(scripts): "/app/story", str(Path(sys.executable).parent): "/usr/bin"}
        places |= {sysconfig.get_path("stdlib"): "/usr/lib/python", str(Path.home()) + "/": "/app/"}
        places |= {sys.prefix: "/usr", socket.gethostname(): "story-host", "127.0.0.1": "provider"}
        for url, name in urls:
            places |= {url: name, urlsplit(url).netloc: urlsplit(name).netloc}
        return cls(tuple(sorted(places.items(), key=lambda pair: -len(pair[0]))))

    def apply(self, text: str) -> str:
        for found, written in self.pairs:
            text = text.replace(found, written)
        return text


def sanitise_protobuf(body: bytes, replacements: Replacements) -> bytes:
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        attributes = resource_spans.resource.attributes
        kept = [each for each in attributes if not _OF_MACHINE.match(each.key)]
        del attributes[:]
        attributes.extend(kept)
        _sanitise(attributes, replacements)
        for scope_spans in resource_spans.scope_spans:
            _sanitise(scope_spans.scope.attributes, replacements)
            for span in scope_spans.spans:
                span.status.message = replacements.apply(span.status.message)
                _sanitise(span.attributes, replacements)
                for event in span.events:
                    _sanitise(event.attributes, replacements)
    return request.SerializeToString()


def sanitise_json(body: bytes, replacements: Replacements) -> bytes:
    value: Any = json.loads(body)
    return json.dumps(_replaced(value, replacements), ensure_ascii=False).encode()


def _sanitise(attributes: Iterable[KeyValue], replacements: Replacements) -> None:
    for attribute in attributes:
        if attribute.key in _USER_KEYS:
            attribute.value.string_value = "story"
        elif attribute.key in _PORT_KEYS:
            attribute.value.int_value = _PORT
        else:
            _sanitise_value(attribute.value, replacements)


def _sanitise_value(value: AnyValue, replacements: Replacements) -> None:
    if value.HasField("string_value"):
        value.string_value = replacements.apply(value.string_value)
    elif value.HasField("array_value"):
        for item in value.array_value.values:
            _sanitise_value(item, replacements)
    elif value.HasField("kvlist_value"):
        _sanitise(value.kvlist_value.values, replacements)


def _replaced(value: Any, replacements: Replacements) -> Any:
    if isinstance(value, str):
        return replacements.apply(value)
    if isinstance(value, list):
        return [_replaced(item, replacements) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: _replaced(item, replacements) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value
