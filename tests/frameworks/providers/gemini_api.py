"""Gemini's generateContent and streamGenerateContent: requests in, answers and entries of the bill out.

Written after Google's public API reference: `promptTokenCount` holds what came from the cache; `candidatesTokenCount` does not hold the thoughts.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.frameworks.providers.bill import Bill, Call
from tests.frameworks.providers.story import REFUSAL, Answer, Ask, Tokens, answer

PARAMETERS: Final = ("temperature", "topP", "topK", "maxOutputTokens")
_NO_ACTION: Final = "expected models/NAME:generateContent or models/NAME:streamGenerateContent"


def billed_tokens(given: Answer) -> Tokens:
    return given.tokens.without(input_cache_creation="input", input_audio="input", output_audio="output")


def read_ask(model: str, body: dict[str, Any], *, stream: bool) -> Ask:
    contents: list[dict[str, Any]] = body["contents"]
    texts = [" ".join(part.get("text") or "" for part in content["parts"]) for content in contents]
    has_result = any("functionResponse" in part for content in contents for part in content["parts"])
    declared = [each for tool in body.get("tools") or () for each in tool.get("functionDeclarations") or ()]
    return Ask(model, stream, "\n".join(texts), texts[-1], tuple(each["name"] for each in declared), has_result)


def usage_block(tokens: Tokens) -> dict[str, Any]:
    said: dict[str, Any] = {
        "promptTokenCount": tokens.input_side,
        "candidatesTokenCount": tokens.output,
        "totalTokenCount": tokens.total,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens.input_side}],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": tokens.output}],
    }
    if tokens.input_cached:
        said["cachedContentTokenCount"] = tokens.input_cached
        said["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": tokens.input_cached}]
    if tokens.output_reasoning:
        said["thoughtsTokenCount"] = tokens.output_reasoning
    return said


async def generate(request: Request) -> Response:
    model, _, action = request.path_params["action"].rpartition(":")
    if action not in {"generateContent", "streamGenerateContent"}:
        return JSONResponse({"error": {"code": 404, "message": _NO_ACTION, "status": "NOT_FOUND"}}, 404)
    body = await request.json()
    ask = read_ask(model, body, stream=action == "streamGenerateContent")
    given = answer(ask)
    bill: Bill = request.app.state.bill
    config: dict[str, Any] = body.get("generationConfig") or {}
    parameters = {name: config[name] for name in PARAMETERS if name in config}
    if given.kind == "refused":
        bill.add(Call("gemini", model, model, ask.stream, 400, {}, None, parameters, ask.excerpt))
        return JSONResponse({"error": {"code": 400, "message": REFUSAL, "status": "INVALID_ARGUMENT"}}, 400)
    tokens = billed_tokens(given)
    said = usage_block(tokens)
    bill.add(Call("gemini", model, model, ask.stream, 200, tokens.told(), said, parameters, ask.excerpt, given.excerpt))
    if ask.stream:
        return StreamingResponse(_chunks(model, given, said), media_type="text/event-stream")
    return JSONResponse(_answer(model, _part(given), said, is_last=True))


def _part(given: Answer) -> dict[str, Any]:
    if given.call is None:
        return {"text": given.text}
    return {"functionCall": {"name": given.call.name, "args": dict(given.call.arguments)}}


def _chunks(model: str, given: Answer, usage: dict[str, Any]) -> Iterator[str]:
    parts = [{"text": piece} for piece in given.pieces] if given.call is None else [_part(given)]
    begun = {"promptTokenCount": usage["promptTokenCount"], "totalTokenCount": usage["promptTokenCount"]}
    for number, part in enumerate(parts, start=1):
        is_last = number == len(parts)
        yield f"data: {json.dumps(_answer(model, part, usage if is_last else begun, is_last=is_last))}\r\n\r\n"


def _answer(model: str, part: dict[str, Any], usage: dict[str, Any], *, is_last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [part]}, "index": 0}
    if is_last:
        candidate["finishReason"] = "STOP"
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model, "responseId": "lovelace1"}
