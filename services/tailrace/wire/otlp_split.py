"""Dividing a request: groups of encoded spans in, parts by partition out, each no larger than asked where that can be.

Works on encoded bytes only, so that a sender's spans reach the log as they were sent.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from tailrace.wire.otlp_shapes import OtlpError, Part, Split, SplitRule

REJECTED: Final = -1
"""The partition of a span whose ids cannot be stored."""

ID_TOO_LONG: Final = "id_too_long"
TOO_LARGE: Final = "observation_too_large"
_FRAMING_BYTES: Final = 16
_MOST_HEADS_BYTES: Final = 64 * 1024 * 1024


class ScopeGroup(NamedTuple):
    """The encoded head of a scope, and its encoded spans."""

    head: bytes
    spans: list[bytes]


class ResourceGroup(NamedTuple):
    """The encoded head of a resource, and its scopes."""

    head: bytes
    scopes: list[ScopeGroup]


Encoder = Callable[[list[ResourceGroup]], bytes]


def split_groups(groups: Iterable[ResourceGroup], partitions: list[int], rule: SplitRule, encode: Encoder) -> Split:
    """Divide `groups`; `partitions` has one number for each span, in order.

    Raises OtlpError when the heads, which each part repeats, would make the parts far larger than the request.
    """
    cutter = _Cutter(rule, encode)
    following = iter(partitions)
    for resource in groups:
        for scope in resource.scopes:
            for span in scope.spans:
                cutter.add(next(following), resource, scope, span)
    return cutter.finish()


class _Cutter:
    """Collects the spans of each partition, and closes a part when it is full."""

    def __init__(self, rule: SplitRule, encode: Encoder) -> None:
        self._rule = rule
        self._encode = encode
        self._drafts: dict[int, _Draft] = {}
        self._full: list[_Draft] = []
        self._rejected: dict[str, int] = {}
        self._heads_bytes = 0

    def add(self, partition: int, resource: ResourceGroup, scope: ScopeGroup, span: bytes) -> None:
        reason = _reason_against(partition, len(resource.head) + len(scope.head) + len(span), self._rule)
        if reason:
            self._rejected[reason] = self._rejected.get(reason, 0) + 1
            return
        draft = self._drafts.get(partition)
        if draft is not None and draft.is_full(draft.size_with(resource, scope, span), self._rule):
            self._full.append(draft)
            draft = None
        if draft is None:
            draft = self._drafts[partition] = _Draft(partition)
        self._heads_bytes += draft.add(resource, scope, span)
        if self._heads_bytes > _MOST_HEADS_BYTES:
            raise OtlpError("expected resource and scope attributes of a common size, got too many bytes of them")

    def finish(self) -> Split:
        drafts = [*self._full, *self._drafts.values()]
        return Split([draft.finish(self._encode) for draft in drafts], self._rejected)


def _reason_against(partition: int, span_bytes: int, rule: SplitRule) -> str | None:
    if partition == REJECTED:
        return ID_TOO_LONG
    return TOO_LARGE if span_bytes > rule.max_span_bytes else None


class _Draft:
    """A part in the making."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._size = 0
        self._count = 0
        self._groups: list[ResourceGroup] = []
        self._resource: ResourceGroup | None = None
        self._scope: ScopeGroup | None = None

    def size_with(self, resource: ResourceGroup, scope: ScopeGroup, span: bytes) -> int:
        return self._size + self._heads_bytes(resource, scope) + len(span) + _FRAMING_BYTES

    def is_full(self, size: int, rule: SplitRule) -> bool:
        return size > rule.part_bytes or self._count >= rule.part_spans

    def add(self, resource: ResourceGroup, scope: ScopeGroup, span: bytes) -> int:
        """Take a span; returns the bytes of the heads that had to be repeated for it."""
        heads_bytes = self._heads_bytes(resource, scope)
        self._size = self.size_with(resource, scope, span)
        if resource is not self._resource:
            self._resource, self._scope = resource, None
            self._groups.append(ResourceGroup(resource.head, []))
        if scope is not self._scope:
            self._scope = scope
            self._groups[-1].scopes.append(ScopeGroup(scope.head, []))
        self._groups[-1].scopes[-1].spans.append(span)
        self._count += 1
        return heads_bytes

    def finish(self, encode: Encoder) -> Part:
        return Part(self._partition, encode(self._groups), self._count)

    def _heads_bytes(self, resource: ResourceGroup, scope: ScopeGroup) -> int:
        if resource is not self._resource:
            return len(resource.head) + len(scope.head) + 2 * _FRAMING_BYTES
        return 0 if scope is self._scope else len(scope.head) + _FRAMING_BYTES
