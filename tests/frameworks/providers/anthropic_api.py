"""Anthropic's messages: requests in, answers and entries of the bill out.

Written after Anthropic's public API reference: `input_tokens` holds neither what was read from the cache nor what was written to it, and
`output_tokens` holds the thinking.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.frameworks.providers.bill import Bill, Call
from tests.frameworks.providers.openai_api import text_of
from tests.frameworks.providers.story import REFUSAL, Answer, Ask, Tokens, answer

PARAMETERS: Final = ("temperature", "top_p", "top_k", "max_tokens")
_LONG_LIVED: Final = 33
"""So many tokens of a written cache live for an hour, the others for five minutes."""


def billed_tokens(given: Answer) -> Tokens:
    return given.tokens.without(output_reasoning="output", input_audio="input", output_audio="output")


def read_ask(body: dict[str, Any]) -> Ask:
    messages: list[dict[str, Any]] = body["messages"]
    texts = [text_of(message["content"]) for message in messages]
    has_result = any('"tool_result"' in json.dumps(message) for message in messages)
    tools = tuple(tool["name"] for tool in body.get("tools") or ())
    everything = "\n".join([text_of(body.get("system")), *texts])
    return Ask(body["model"], bool(body.get("stream")), everything, texts[-1], tools, has_result)


def usage_block(tokens: Tokens) -> dict[str, Any]:
    long_lived = min(_LONG_LIVED, tokens.input_cache_creation)
    return {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.input_cache_creation,
        "cache_read_input_tokens": tokens.input_cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.input_cache_creation - long_lived,
            "ephemeral_1h_input_tokens": long_lived,
        },
        "output_tokens": tokens.output,
        "service_tier": "standard",
    }


async def messages(request: Request) -> Response:
    body = await request.json()
    ask = read_ask(body)
    given = answer(ask)
    bill: Bill = request.app.state.bill
    parameters = {name: body[name] for name in PARAMETERS if name in body}
    if given.kind == "refused":
        bill.add(Call("anthropic.messages", ask.model, ask.model, ask.stream, 400, {}, None, parameters, ask.excerpt))
        error = {"type": "invalid_request_error", "message": REFUSAL}
        return JSONResponse({"type": "error", "error": error, "request_id": "req_lovelace1"}, 400)
    tokens = billed_tokens(given)
    said = usage_block(tokens)
    bill.add(
        Call(
            "anthropic.messages",
            ask.model,
            ask.model,
            ask.stream,
            200,
            tokens.told(),
            said,
            parameters,
            ask.excerpt,
            given.excerpt,
        )
    )
    message = _message(ask.model, given, said)
    if ask.stream:
        return StreamingResponse(_events(message, given), media_type="text/event-stream")
    return JSONResponse(message)


def _message(model: str, given: Answer, usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "msg_lovelace1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [_block(given)],
        "stop_reason": "tool_use" if given.call else "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }


def _block(given: Answer) -> dict[str, Any]:
    if given.call is None:
        return {"type": "text", "text": given.text}
    return {"type": "tool_use", "id": "toolu_lovelace1", "name": given.call.name, "input": dict(given.call.arguments)}


def _events(message: dict[str, Any], given: Answer) -> Iterator[str]:
    usage, block = message["usage"], message["content"][0]
    begun: dict[str, Any] = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    if given.call:
        start: dict[str, Any] = {**block, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    else:
        start = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in given.pieces]
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    said_last = {name: count for name, count in usage.items() if isinstance(count, int)}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": said_last},
        {"type": "message_stop"},
    ]
    for event in events:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
