"""One run: its script between the fake providers and a receiver, and the record that is written of it.

In: a `Run` with an installed environment. Out: the folder records/<name>: each request as NN.pb or NN.json, and expected.json with what the
providers billed. What names the machine is taken out (`sanitised`); what a human declared in expected.json before (`absent`) stays.
"""

import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from tests.e2e.recorder import INGESTION_PATH, TRACES_PATH, recording
from tests.frameworks.catalogue import RUNS, Run
from tests.frameworks.environments import RUN_SECONDS, RunFailedError, call, environment_of, python_of
from tests.frameworks.providers import Providers
from tests.frameworks.providers.bill import Call
from tests.frameworks.sanitised import Replacements, sanitise_json, sanitise_protobuf

MAX_RECORD_BYTES: Final = 200_000
PUBLIC_KEY: Final = "pk-lf-story"
SECRET_KEY: Final = "sk-lf-story"  # the receiver takes any
_CREDENTIALS: Final = "cGstbGYtc3Rvcnk6c2stbGYtc3Rvcnk="  # both in base64
_UNWANTED: Final = ("LANGFUSE_", "OTEL_", "PYTHON", "OPENAI_", "ANTHROPIC_", "AWS_", "GOOGLE_", "GEMINI_")


class Request(NamedTuple):
    """A recorded request, without its compression."""

    path: str
    content_type: str
    body: bytes


class Told(NamedTuple):
    """What came of a run."""

    requests: list[Request]
    calls: list[Call]


def tell(run: Run, providers: Providers) -> Told:
    """Runs the script once. Raises RunFailedError if it fails, sends nothing or calls no model."""
    home = environment_of(run)
    providers.bill.take()
    with recording() as receiver:
        variables = _variables(providers.url, receiver.url)
        replacements = Replacements.of(
            home, RUNS, (providers.url, "http://provider"), (receiver.url, "http://tailrace")
        )
        output = call([str(python_of(home)), str(run.script)], variables, RUN_SECONDS, home)
    requests: list[Request] = []
    for each in receiver.requests:
        if each.method != "POST" or each.path not in (TRACES_PATH, INGESTION_PATH):
            continue
        body = gzip.decompress(each.body) if each.headers.get("content-encoding") == "gzip" else each.body
        content_type = each.headers["content-type"].split(";")[0]
        sanitise = sanitise_json if content_type == "application/json" else sanitise_protobuf
        requests.append(Request(each.path, content_type, sanitise(body, replacements)))
    calls = providers.bill.take()
    if not requests or not calls:
        raise RunFailedError(f"{run.name}: {len(requests)} requests and {len(calls)} calls of models\n{output[-4000:]}")
    return Told(requests, calls)


def write_record(run: Run, told: Told) -> None:
    """Replaces the run's record. Raises RunFailedError if it has grown too large."""
    size = sum(len(request.body) for request in told.requests)
    if size > MAX_RECORD_BYTES:
        raise RunFailedError(f"{run.name}: {size} bytes, expected {MAX_RECORD_BYTES} at most")
    folder = run.record
    absent = read_expected(folder).get("absent", [])
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    entries: list[dict[str, str]] = []
    for number, request in enumerate(told.requests, start=1):
        name = f"{number:02}.{'json' if request.content_type == 'application/json' else 'pb'}"
        (folder / name).write_bytes(request.body)
        entries.append({"file": name, "path": request.path, "content_type": request.content_type})
    expected = {
        "packages": run.versions(),
        "requests": entries,
        "calls": [each._asdict() for each in told.calls],
        "absent": absent,
    }
    (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n", encoding="utf-8")


def read_expected(folder: Path) -> dict[str, Any]:
    """expected.json of a record, {} if there is none."""
    path = folder / "expected.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def read_requests(folder: Path, entries: Sequence[dict[str, str]]) -> list[Request]:
    return [Request(each["path"], each["content_type"], (folder / each["file"]).read_bytes()) for each in entries]


def _variables(provider_url: str, receiver_url: str) -> dict[str, str]:
    """This process's environment without what would configure a package behind our back, and where to send."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_UNWANTED) and not name.lower().endswith("_proxy")
    }
    return kept | {
        "PYTHONPATH": str(RUNS),
        "PROVIDER_URL": provider_url,
        "LANGFUSE_BASE_URL": receiver_url,
        "LANGFUSE_HOST": receiver_url,
        "LANGFUSE_PUBLIC_KEY": PUBLIC_KEY,
        "LANGFUSE_SECRET_KEY": SECRET_KEY,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{receiver_url}/api/public/otel",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{receiver_url}{TRACES_PATH}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization={quote(f'Basic {_CREDENTIALS}')}",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
