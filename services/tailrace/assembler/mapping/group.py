"""What all spans of one resource and one scope have in common, worked out once for all of them."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from tailrace.assembler.mapping import langfuse
from tailrace.assembler.mapping.precedence import ENVIRONMENTS, SCOPES
from tailrace.assembler.mapping.values import first_text, storable, text_of
from tailrace.wire.otlp import Scope

_SERVICE_VERSION: Final = "service.version"


class Group:
    """A resource and a scope.

    `environment`: of its spans that name none. `metadata`: what they add to the metadata of each span. `digest_key`: tells groups apart in stamps. `known_scope`: its name, if some
    convention is bound to it.
    """

    __slots__ = (
        "digest_key",
        "environment",
        "environments",
        "is_langfuse",
        "known_scope",
        "metadata",
        "release",
        "resource",
        "scope",
        "service_version",
        "trace_metadata",
        "version",
    )

    def __init__(self, resource: Mapping[str, Any], scope: Scope) -> None:
        self.resource = resource
        self.scope = scope
        self.is_langfuse = scope.name == langfuse.SCOPE
        self.known_scope = scope.name if scope.name in SCOPES else ""
        self.environments = tuple(text_of(resource.get(key)) for key in ENVIRONMENTS)
        self.environment = next(filter(None, self.environments), None)
        self.release = first_text(resource, (langfuse.RELEASE,))
        self.version = first_text(resource, (langfuse.VERSION,))
        self.service_version = first_text(resource, (_SERVICE_VERSION,))
        self.trace_metadata = langfuse.read_metadata(resource).trace
        self.metadata = _metadata_of(resource, scope)
        self.digest_key = blake2b(msgspec.json.encode((resource, scope)), digest_size=16).digest()

    def holds(self, resource: Mapping[str, Any], scope: Scope) -> bool:
        return self.resource is resource and self.scope is scope

    def environment_of(self, attributes: Mapping[str, Any]) -> str | None:
        """What a span that names one, and its resource, call their environment; the first name that either gives, key by key."""
        for key, of_resource in zip(ENVIRONMENTS, self.environments, strict=True):
            found = text_of(attributes.get(key)) or of_resource
            if found:
                return found
        return None


def _metadata_of(resource: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    metadata: dict[str, Any] = {"resourceAttributes": storable(dict(resource))} if resource else {}
    described = {"name": scope.name, "version": scope.version, "attributes": storable(scope.attributes)}
    told = {key: value for key, value in described.items() if value}
    return {**metadata, "scope": told} if told else metadata
