"""A record as it is kept: what a run sent, without this machine's names, paths and ports.

In: the requests of one run. Out: files NN.json or NN.bin, index.json and expected.json in a folder. A body in which nothing had to be
replaced is kept byte for byte; a compressed or a protobuf one is written anew only if something had to be.
"""

import getpass
import gzip
import json
import os
import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.environments import REPOSITORY, node_folder
from tests.payloads import Recorded

MAX_RECORD_BYTES: Final = 200_000
_PROTOBUF: Final = "application/x-protobuf"
_RESOURCE_FACTS: Final = {
    "host.name": "support-host",
    "host.id": "0123456789abcdef",
    "host.arch": "amd64",
    "process.owner": "app",
    "os.version": "6.1.0",
    "os.build_id": "1",
}
"""Attributes that speak of the machine, and what stands there instead."""


class Scrubber:
    """Replaces what is of this machine in texts."""

    def __init__(self, home: Path, urls: Mapping[str, str]) -> None:
        """`urls`: addresses of this run, and the fixed ones that are written for them."""
        self._plain = {
            str(home): "/app",
            str(node_folder()): "/usr/bin",
            str(REPOSITORY): "/app",
            str(Path.home()): "/home/app",
        }
        for found, written in urls.items():
            self._plain[found] = written
            self._plain[found.removeprefix("http://")] = written.removeprefix("http://")
        self._ports = {url.rpartition(":")[2]: written.rpartition(":")[2] for url, written in urls.items()}

    def text(self, text: str) -> str:
        for found in sorted(self._plain, key=len, reverse=True):
            if len(found) > 1:
                text = text.replace(found, self._plain[found])
        return text

    def attribute(self, key: str, value: str) -> str:
        return _RESOURCE_FACTS.get(key) or self.text(value)

    def number(self, key: str, value: int) -> int:
        """The value of a numeric attribute: a process id or a port."""
        if key in {"process.pid", "process.parent_pid"}:
            return 1
        return int(self._ports.get(str(value), value)) if key.endswith("port") else value

    def body(self, request: Recorded) -> bytes:
        """The request's body, in the encoding it had."""
        plain = request.decoded()
        if _PROTOBUF in request.headers.get("content-type", ""):
            message = ExportTraceServiceRequest.FromString(plain)
            before = message.SerializeToString(deterministic=True)
            self._message(message)
            after = message.SerializeToString(deterministic=True)
            if before == after:
                return request.body
        else:
            after = json.dumps(self._json(json.loads(plain)), ensure_ascii=False, separators=(",", ":")).encode()
            if json.loads(after) == json.loads(plain):
                return request.body
        return gzip.compress(after, mtime=0) if request.headers.get("content-encoding") == "gzip" else after

    def _message(self, message: Message) -> None:
        if message.DESCRIPTOR.name == "KeyValue":
            self._key_value(message)
            return
        for field, value in message.ListFields():
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                for each in value if field.is_repeated else (value,):
                    self._message(each)
            elif field.type == FieldDescriptor.TYPE_STRING:
                setattr(message, field.name, self.text(value))

    def _key_value(self, pair: Any) -> None:
        kind = pair.value.WhichOneof("value")
        if kind == "string_value":
            pair.value.string_value = self.attribute(pair.key, pair.value.string_value)
        elif kind == "int_value":
            pair.value.int_value = self.number(pair.key, pair.value.int_value)
        elif kind is not None:
            self._message(pair.value)

    def _json(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._json(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, str):
            return self.text(value)
        if not isinstance(value, dict):
            return value
        known: dict[str, Any] = value
        key, inner = known.get("key"), known.get("value")
        if isinstance(key, str) and isinstance(inner, dict):
            return known | {"value": self._json_value(key, inner)}
        return {name: self._json(each) for name, each in known.items()}

    def _json_value(self, key: str, value: dict[str, Any]) -> dict[str, Any]:
        if isinstance(value.get("stringValue"), str):
            return value | {"stringValue": self.attribute(key, value["stringValue"])}
        if "intValue" in value:
            number = self.number(key, int(value["intValue"]))
            return value if number == int(value["intValue"]) else value | {"intValue": number}
        return self._json(value)


def leftovers(body: bytes) -> list[str]:
    """What in a decoded body still speaks of this machine or of a key."""
    names = (socket.gethostname(), str(REPOSITORY), str(node_folder()), "Basic ", "sk-lf-", "provider-key")
    found = [name for name in names if len(name) > 3 and name.encode() in body]
    found += [match.decode() for match in re.findall(rb"/(?:work|root|tmp|Users)/[\w./-]*", body)]
    if getpass.getuser() != "root" and re.search(rf"\b{re.escape(getpass.getuser())}\b".encode(), body):
        found.append(getpass.getuser())
    if os.fsencode(Path.home()) in body and str(Path.home()) != "/":
        found.append(str(Path.home()))
    return found


def write_record(
    folder: Path, requests: Sequence[Recorded], about: Mapping[str, Any], expected: Mapping[str, Any]
) -> int:
    """Replaces what the folder held and returns how many bytes the bodies have. Raises ValueError for a record that must not be kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    entries: list[dict[str, object]] = []
    for number, request in enumerate(requests, start=1):
        is_text = "json" in request.headers.get("content-type", "") and "content-encoding" not in request.headers
        name = f"{number:02}.{'json' if is_text else 'bin'}"
        if left := leftovers(request.decoded()):
            raise ValueError(f"{folder.name}/{name} still holds {left}")
        (folder / name).write_bytes(request.body)
        entries.append({"file": name, "path": request.path, "headers": request.headers, "status": request.status})
    size = sum(len(request.body) for request in requests)
    if size > MAX_RECORD_BYTES:
        raise ValueError(f"{folder.name} has {size} bytes, more than {MAX_RECORD_BYTES}")
    _write_json(folder / "index.json", {**about, "requests": entries})
    _write_json(folder / "expected.json", expected)
    return size


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
