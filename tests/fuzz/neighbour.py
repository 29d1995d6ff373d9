"""A project that sends known-good events all the while, by every way there is, and must find exactly its own rows and costs."""

import json
import threading
import time
from decimal import Decimal

from tests.e2e.read import reading
from tests.e2e.stack import Credentials
from tests.fuzz import bodies, protobuf
from tests.fuzz.endpoints import INGESTION_PATH, SCORES_PATH, TRACES_PATH
from tests.fuzz.grpc_client import Call, exchange_call, frame_message
from tests.fuzz.http import Answer, Request, exchange
from tests.fuzz.target import basic
from tests.fuzz.values import encode

PROJECT = "neighbour"
USD_PER_GENERATION = Decimal("0.00045")
"""1,000 input and 500 output tokens of gpt-4o-mini, at 0.15 and 0.60 USD for a million."""

_PAUSE_SECONDS = 0.2
_TRIES = 60
_NAMES = {"same-name", "step"}


class Neighbour(threading.Thread):
    """Sends until `finish`. Its ids are those that the attacks use too."""

    def __init__(self, port: int, grpc_port: int, credentials: Credentials) -> None:
        super().__init__(name="neighbour", daemon=True)
        self._port = port
        self._grpc_port = grpc_port
        self._credentials = credentials
        self._stopped = threading.Event()
        self.rounds = 0
        self.fault: str | None = None

    def run(self) -> None:
        while not self._stopped.wait(_PAUSE_SECONDS) and self.fault is None:
            for request in _round(self.rounds):
                if request.target == TRACES_PATH and self.rounds % 2:
                    self.fault = self.fault or self._call(request.body)
                else:
                    self.fault = self.fault or self._send(request)
            self.rounds += 1

    def finish(self) -> None:
        """Stop sending. Raises AssertionError when something good was refused."""
        self._stopped.set()
        self.join()
        assert self.fault is None, self.fault
        assert self.rounds > 0

    def check(self) -> None:
        """Compare what is stored with what was sent. Raises AssertionError."""
        expected = {f"batch-{number}" for number in range(self.rounds)} | {
            _span_id(number).hex() for number in range(self.rounds)
        }
        with reading(self._credentials) as reader:
            found: list[str] = []
            cost = Decimal(0)
            page = 1
            while rows := reader.json(f"/api/public/observations?limit=100&page={page}")["data"]:
                found += [row["id"] for row in rows]
                cost += sum((Decimal(row["calculatedTotalCost"]) for row in rows), Decimal(0))
                assert {row["name"] for row in rows} <= _NAMES
                page += 1
            scores = reader.json("/api/public/v2/scores?limit=1")["meta"]["totalItems"]
            windows = reader.json("/api/tailrace/v1/users/user/windows?bucket=day")["data"]
        assert sorted(found) == sorted(expected)
        assert cost == USD_PER_GENERATION * 2 * self.rounds
        assert scores == self.rounds
        assert sum((Decimal(window["cost"]) for window in windows), Decimal(0)) == cost

    def _send(self, request: Request) -> str | None:
        """Like an SDK: again after 429 and 503. Returns what is wrong, if anything is."""
        answer: Answer | None = None
        for _ in range(_TRIES):
            answer = exchange(self._port, request, authorization=basic(self._credentials))
            if answer is None or answer.status not in (429, 503):
                break
            time.sleep(1)
        if answer is None or answer.status not in (200, 207) or json.loads(answer.body).get("errors"):
            return f"a good request was answered {answer}"
        return None

    def _call(self, message: bytes) -> str | None:
        """The same over gRPC."""
        call, answer = Call(frame_message(message)), None
        for _ in range(_TRIES):
            answer = exchange_call(self._grpc_port, call, authorization=basic(self._credentials))
            if answer.status not in ("8", "14"):
                break
            time.sleep(1)
        good = answer is not None and answer.status == "0" and answer.body == frame_message(b"")
        return None if good else f"a good call was answered {answer}"


def _span_id(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _round(number: int) -> list[Request]:
    """A generation in a batch, one as a span of the same trace's namesake, and a score."""
    usage = {"input": 1000, "output": 500}
    generation = {"id": f"batch-{number}", "traceId": "trace-1", "name": "same-name", "startTime": bodies.AT}
    events = [
        bodies.event("trace-create", {"id": "trace-1", "userId": "user"}),
        bodies.event("generation-create", {**generation, "model": "gpt-4o-mini", "usageDetails": usage}),
    ]
    start = protobuf.tag(7, protobuf.FIXED64) + (1_772_359_230 * 10**9).to_bytes(8, "little")
    attributes = {
        "user.id": "user",
        "gen_ai.request.model": "gpt-4o-mini",
        "langfuse.observation.usage_details": json.dumps(usage),
    }
    span = protobuf.span(attributes, span_id=_span_id(number), more=start)
    score = {"id": f"score-{number}", "name": "tone", "value": 1, "traceId": "trace-1"}
    json_type, protobuf_type = (b"Content-Type", b"application/json"), (b"Content-Type", b"application/x-protobuf")
    return [
        Request(INGESTION_PATH, encode(bodies.batch(*events)), (json_type,)),
        Request(TRACES_PATH, protobuf.request(span), (protobuf_type,)),
        Request(SCORES_PATH, encode(score), (json_type,)),
    ]
