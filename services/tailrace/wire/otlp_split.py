"""Dividing a request: groups of encoded spans in, parts by partition out, each no larger than asked where that can be.

Works on encoded bytes only, so that a sender's spans reach the log as they were sent.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from tailrace.wire.otlp_shapes import Part, Split, SplitRule

REJECTED: Final = -1
"""The partition of a span whose ids cannot be stored."""

ID_TOO_LONG: Final = "id_too_long"
TOO_LARGE: Final = "observation_too_large"
_FRAMING_BYTES: Final = 64


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
    """Divide `groups`; `partitions` has one number for each span, in order."""
    drafts: dict[int, _Draft] = {}
    parts: list[Part] = []
    rejected: dict[str, int] = {}
    following = iter(partitions)
    for resource in groups:
        for scope in resource.scopes:
            head_bytes = len(resource.head) + len(scope.head) + _FRAMING_BYTES
            for span in scope.spans:
                partition = next(following)
                reason = _reason_against(partition, head_bytes + len(span), rule)
                if reason:
                    rejected[reason] = rejected.get(reason, 0) + 1
                    continue
                draft = drafts.get(partition)
                if draft and draft.size + head_bytes + len(span) > rule.part_bytes:
                    parts.append(draft.finish(encode))
                    draft = None
                if draft is None:
                    draft = drafts[partition] = _Draft(partition)
                draft.add(resource, scope, span)
    parts += [draft.finish(encode) for draft in drafts.values()]
    return Split(parts, rejected)


def _reason_against(partition: int, span_bytes: int, rule: SplitRule) -> str | None:
    if partition == REJECTED:
        return ID_TOO_LONG
    return TOO_LARGE if span_bytes > rule.max_span_bytes else None


class _Draft:
    """A part in the making."""

    def __init__(self, partition: int) -> None:
        self.size = 0
        self._partition = partition
        self._count = 0
        self._groups: list[ResourceGroup] = []
        self._resource: ResourceGroup | None = None
        self._scope: ScopeGroup | None = None

    def add(self, resource: ResourceGroup, scope: ScopeGroup, span: bytes) -> None:
        if resource is not self._resource:
            self._resource, self._scope = resource, None
            self._groups.append(ResourceGroup(resource.head, []))
            self.size += len(resource.head) + _FRAMING_BYTES
        if scope is not self._scope:
            self._scope = scope
            self._groups[-1].scopes.append(ScopeGroup(scope.head, []))
            self.size += len(scope.head) + _FRAMING_BYTES
        self._groups[-1].scopes[-1].spans.append(span)
        self.size += len(span) + 8
        self._count += 1

    def finish(self, encode: Encoder) -> Part:
        return Part(self._partition, encode(self._groups), self._count)
