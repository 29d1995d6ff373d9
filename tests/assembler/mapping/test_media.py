"""Tags that stand for uploaded media stay as the SDKs wrote them, wherever they stand."""

import json

import pytest

from tests.assembler.mapping.senders import event, folded, map_events, observation_of, span, trace_of

TAG = "@@@langfuseMedia:type=image/png|id=cc48838a-3da8|source=base64_data_uri@@@"
BODY = {
    "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": TAG}}]}],
    "note": f"before {TAG} after",
}


@pytest.mark.parametrize("side", ["input", "output"])
def test_a_tag_in_a_body_stays(side: str) -> None:
    text = json.dumps(BODY)
    assert observation_of({f"langfuse.observation.{side}": text})[side] == text
    assert observation_of({f"langfuse.observation.{side}": TAG})[side] == TAG
    assert trace_of(span({f"langfuse.trace.{side}": TAG}))[side] == TAG
    told = folded(map_events(event("generation-create", {"id": "o", "traceId": "t", side: BODY})), "observation", "o")
    assert json.loads(told[side]) == BODY
    told = folded(map_events(event("trace-create", {"id": "t", side: TAG})), "trace", "t")
    assert told[side] == TAG


def test_a_tag_in_metadata_stays() -> None:
    metadata = observation_of(
        {"langfuse.observation.metadata.picture": TAG, "langfuse.observation.metadata.quoted": f'"{TAG}"'}
    )["metadata"]
    assert (metadata["picture"], metadata["quoted"]) == (TAG, TAG)
    assert trace_of(span({"langfuse.trace.metadata.picture": TAG}))["metadata"]["picture"] == TAG
    told = folded(map_events(event("trace-create", {"id": "t", "metadata": {"a": {"b": TAG}}})), "trace", "t")
    assert told["metadata"] == {"a": {"b": TAG}}
