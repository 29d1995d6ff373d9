"""Bedrock's Converse and ConverseStream: requests in, answers and entries of the bill out.

Written after AWS's public API reference: `inputTokens` holds neither cache reads nor cache writes. A stream is framed as
application/vnd.amazon.eventstream: lengths, a checksum of them, headers, a payload, and a checksum of it all, big-endian.
"""

import json
import struct
from collections.abc import Iterator
from typing import Any, Final
from zlib import crc32

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.frameworks.providers.bill import Bill, Call
from tests.frameworks.providers.story import REFUSAL, Answer, Ask, Tokens, answer

PARAMETERS: Final = ("temperature", "topP", "maxTokens")
LATENCY_MS: Final = 42
_TEXT_HEADER: Final = 7
_FRAME_BYTES: Final = 16
"""Of a frame without headers and payload."""


def billed_tokens(given: Answer) -> Tokens:
    return given.tokens.without(output_reasoning="output", input_audio="input", output_audio="output")


def read_ask(model: str, body: dict[str, Any], *, stream: bool) -> Ask:
    messages: list[dict[str, Any]] = body["messages"]
    texts = [" ".join(part.get("text") or "" for part in message["content"]) for message in messages]
    has_result = any("toolResult" in part for message in messages for part in message["content"])
    config: dict[str, Any] = body.get("toolConfig") or {"tools": []}
    tools = tuple(tool["toolSpec"]["name"] for tool in config["tools"])
    return Ask(model, stream, "\n".join(texts), texts[-1], tools, has_result)


def usage_block(tokens: Tokens) -> dict[str, Any]:
    return {
        "inputTokens": tokens.input,
        "outputTokens": tokens.output,
        "totalTokens": tokens.total,
        "cacheReadInputTokens": tokens.input_cached,
        "cacheWriteInputTokens": tokens.input_cache_creation,
    }


async def converse(request: Request) -> Response:
    return await _converse(request, stream=False)


async def converse_stream(request: Request) -> Response:
    return await _converse(request, stream=True)


async def _converse(request: Request, *, stream: bool) -> Response:
    body, model = await request.json(), request.path_params["model"]
    ask = read_ask(model, body, stream=stream)
    given = answer(ask)
    bill: Bill = request.app.state.bill
    config: dict[str, Any] = body.get("inferenceConfig") or {}
    parameters = {name: config[name] for name in PARAMETERS if name in config}
    if given.kind == "refused":
        bill.add(Call("bedrock.converse", model, model, stream, 400, {}, None, parameters, ask.excerpt))
        return JSONResponse({"message": REFUSAL}, 400, {"x-amzn-errortype": "ValidationException"})
    tokens = billed_tokens(given)
    said = usage_block(tokens)
    bill.add(
        Call("bedrock.converse", model, model, stream, 200, tokens.told(), said, parameters, ask.excerpt, given.excerpt)
    )
    if stream:
        return StreamingResponse(_frames(given, said), media_type="application/vnd.amazon.eventstream")
    message = {"role": "assistant", "content": [_block(given)]}
    metrics = {"latencyMs": LATENCY_MS}
    return JSONResponse({"output": {"message": message}, "stopReason": _stop(given), "usage": said, "metrics": metrics})


def _block(given: Answer) -> dict[str, Any]:
    if given.call is None:
        return {"text": given.text}
    use = {"toolUseId": "tooluse_lovelace1", "name": given.call.name, "input": dict(given.call.arguments)}
    return {"toolUse": use}


def _stop(given: Answer) -> str:
    return "tool_use" if given.call else "end_turn"


def _frames(given: Answer, usage: dict[str, Any]) -> Iterator[bytes]:
    yield frame("messageStart", {"role": "assistant"})
    if given.call:
        start = {"toolUse": {"toolUseId": "tooluse_lovelace1", "name": given.call.name}}
        yield frame("contentBlockStart", {"contentBlockIndex": 0, "start": start})
        deltas: list[dict[str, Any]] = [{"toolUse": {"input": json.dumps(given.call.arguments)}}]
    else:
        deltas = [{"text": piece} for piece in given.pieces]
    for delta in deltas:
        yield frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta})
    yield frame("contentBlockStop", {"contentBlockIndex": 0})
    yield frame("messageStop", {"stopReason": _stop(given)})
    yield frame("metadata", {"usage": usage, "metrics": {"latencyMs": LATENCY_MS}})


def frame(event: str, payload: dict[str, Any]) -> bytes:
    """One message of an AWS event stream."""
    headers = b"".join(
        _header(name, value)
        for name, value in (
            (":event-type", event),
            (":content-type", "application/json"),
            (":message-type", "event"),
        )
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", _FRAME_BYTES + len(headers) + len(body), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + body
    return message + struct.pack(">I", crc32(message))


def _header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + bytes([_TEXT_HEADER]) + struct.pack(">H", len(value)) + value.encode()
