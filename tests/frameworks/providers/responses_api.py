"""OpenAI's responses: requests in, answers and entries of the bill out. Written after OpenAI's public API reference."""

import json
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.frameworks.providers.bill import Bill, Call
from tests.frameworks.providers.openai_api import (
    CREATED,
    answered_model,
    billed_tokens,
    parameters_of,
    refusal,
    text_of,
)
from tests.frameworks.providers.story import TOOL_CALL_ID, Answer, Ask, Tokens, answer


def read_ask(body: dict[str, Any]) -> Ask:
    given = body["input"]
    items: list[dict[str, Any]] = [{"role": "user", "content": given}] if isinstance(given, str) else given
    texts = [text_of(item.get("content")) for item in items]
    tools = tuple(tool["name"] for tool in body.get("tools") or () if "name" in tool)
    has_result = any(item.get("type") == "function_call_output" for item in items)
    everything = "\n".join([text_of(body.get("instructions")), *texts])
    return Ask(body["model"], bool(body.get("stream")), everything, texts[-1], tools, has_result)


def usage_block(tokens: Tokens) -> dict[str, Any]:
    return {
        "input_tokens": tokens.input_side,
        "input_tokens_details": {"cached_tokens": tokens.input_cached},
        "output_tokens": tokens.output_side,
        "output_tokens_details": {"reasoning_tokens": tokens.output_reasoning},
        "total_tokens": tokens.total,
    }


async def respond(request: Request) -> Response:
    body = await request.json()
    ask = read_ask(body)
    given = answer(ask)
    bill: Bill = request.app.state.bill
    if given.kind == "refused":
        bill.add(
            Call("openai.responses", ask.model, ask.model, ask.stream, 400, {}, None, parameters_of(body), ask.excerpt)
        )
        return JSONResponse(refusal(), 400)
    tokens = billed_tokens(ask.model, given).without(input_audio="input", output_audio="output")
    said, model = usage_block(tokens), answered_model(ask.model)
    bill.add(
        Call(
            "openai.responses",
            ask.model,
            model,
            ask.stream,
            200,
            tokens.told(),
            said,
            parameters_of(body),
            ask.excerpt,
            given.excerpt,
        )
    )
    response = _response(model, body, given, said)
    if ask.stream:
        return StreamingResponse(_events(response, given), media_type="text/event-stream")
    return JSONResponse(response)


def _response(model: str, body: dict[str, Any], given: Answer, usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "resp_lovelace1",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": model,
        "output": [_item(given)],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": "medium", "summary": None},
        "service_tier": "default",
        "store": True,
        "temperature": body.get("temperature", 1.0),
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": usage,
        "metadata": {},
    }


def _item(given: Answer) -> dict[str, Any]:
    if given.call:
        arguments = json.dumps(given.call.arguments)
        return {
            "id": "fc_lovelace1",
            "type": "function_call",
            "status": "completed",
            "call_id": TOOL_CALL_ID,
            "name": given.call.name,
            "arguments": arguments,
        }
    return {
        "id": "msg_lovelace1",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [_part(given.text)],
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _events(response: dict[str, Any], given: Answer) -> Iterator[str]:
    open_response: dict[str, Any] = {**response, "status": "in_progress", "output": [], "usage": None}
    item = response["output"][0]
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": open_response},
        {"type": "response.in_progress", "response": open_response},
        {"type": "response.output_item.added", "output_index": 0, "item": _started(item)},
        *(_call_events(item) if given.call else _text_events(item, given)),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": response},
    ]
    for number, event in enumerate(events):
        yield f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n"


def _started(item: dict[str, Any]) -> dict[str, Any]:
    emptied: dict[str, Any] = {"arguments": ""} if item["type"] == "function_call" else {"content": []}
    return {**item, "status": "in_progress", **emptied}


def _call_events(item: dict[str, Any]) -> list[dict[str, Any]]:
    place = {"item_id": item["id"], "output_index": 0}
    return [
        {"type": "response.function_call_arguments.delta", **place, "delta": item["arguments"]},
        {
            "type": "response.function_call_arguments.done",
            **place,
            "arguments": item["arguments"],
            "name": item["name"],
        },
    ]


def _text_events(item: dict[str, Any], given: Answer) -> list[dict[str, Any]]:
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    return [
        {"type": "response.content_part.added", **place, "part": _part("")},
        *({"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []} for piece in given.pieces),
        {"type": "response.output_text.done", **place, "text": given.text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": _part(given.text)},
    ]
