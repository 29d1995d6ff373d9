"""What an answer may be, whatever was asked; and the counts of what was."""

import json
from collections import Counter, defaultdict
from typing import Any, NamedTuple, cast

from tests.fuzz.attacks import Attack
from tests.fuzz.grpc_client import Answer as CallAnswer
from tests.fuzz.grpc_client import Call, shown
from tests.fuzz.http import Answer, Request

_SHOWN_BYTES = 300
_STATUSES = {0, 3, 4, 7, 8, 12, 14, 16}
"""OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, UNAVAILABLE, UNAUTHENTICATED."""

_LATER = {8, 14}


class Violation(NamedTuple):
    """A rule that was broken, and by what."""

    rule: str
    attack: str
    request: str
    answer: str


class Verdict:
    """Judges answers and counts them by attack. `accepted`: events that answers have acknowledged by number, by project."""

    def __init__(self) -> None:
        self.statuses: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self.accepted: Counter[str] = Counter()
        self.violations: list[Violation] = []

    @property
    def requests(self) -> int:
        return sum(counts.total() for counts in self.statuses.values())

    def judge(self, attack: Attack, request: Request, answer: Answer | None) -> None:
        """Count an answer, and note what is wrong about it."""
        self.statuses[attack.endpoint, attack.name]["none" if answer is None else str(answer.status)] += 1
        rule = broken_rule(request, answer)
        if rule:
            self.violations.append(Violation(rule, attack.project, _shown(request), _shown(answer)))
        elif answer is not None and answer.status in (200, 207):
            self.accepted[attack.project] += _acknowledged(answer)

    def judge_call(self, attack: Attack, call: Call, answer: CallAnswer) -> None:
        """The same of a call over gRPC, whose answers tell no number of events."""
        self.statuses[attack.endpoint, attack.name][answer.status] += 1
        rule = broken_rule_of_call(call, answer)
        if rule:
            shown_answer = repr(answer._replace(body=answer.body[:_SHOWN_BYTES]))[:1500]
            self.violations.append(Violation(rule, attack.project, shown(call), shown_answer))


def broken_rule_of_call(call: Call, answer: CallAnswer) -> str | None:
    """The rule that the answer to a call breaks, None when it is good."""
    status = answer.status
    if not status.isdecimal():
        return "every legal call is answered" if call.must_be_answered and status != "http 415" else None
    if int(status) not in _STATUSES:
        return "no status but those that OTLP has a meaning for"
    if call.authorization is not None and status == "0":
        return "nobody writes without a key"
    if int(status) in _LATER and "grpc-status-details-bin" not in answer.headers:
        return "who may come again hears when"
    return None if status == "0" or answer.headers.get("grpc-message") else "every refusal says its reason"


def broken_rule(request: Request, answer: Answer | None) -> str | None:
    """The rule that an answer breaks, None when it is good."""
    if answer is None:
        return None if request.may_stay_unanswered else "every request that is sent whole is answered"
    if answer.status >= 500:
        retry = answer.headers.get("retry-after", "")
        return None if answer.status == 503 and retry.isdecimal() else "no 5xx but 503 with Retry-After"
    if request.method in (b"HEAD", b"OPTIONS") or answer.status < 200:
        return None
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return "every answer is JSON"
    try:
        body = json.loads(answer.body)
    except ValueError:
        return "every answer is JSON"
    return None if answer.status < 300 or _has_reason(body) else "every refusal says its reason"


def _has_reason(body: Any) -> bool:
    if not isinstance(body, dict):
        return False
    said = cast("dict[str, Any]", body)
    return any(said.get(name) for name in ("message", "error", "errors"))


def _acknowledged(answer: Answer) -> int:
    """The events that an answer acknowledges, as far as it gives their number."""
    body = json.loads(answer.body)
    if "successes" in body:
        return len(body["successes"])
    return int(body.get("accepted", 1 if "id" in body else 0))


def _shown(what: Request | Answer | None) -> str:
    if what is None:
        return "none"
    text = repr(what._replace(body=b""))
    return f"{text[:1500]} {len(what.body)} bytes: {what.body[:_SHOWN_BYTES]!r} … {what.body[-_SHOWN_BYTES:]!r}"
