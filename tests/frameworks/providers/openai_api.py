"""OpenAI's chat completions and embeddings: requests in, answers and entries of the bill out.

Written after OpenAI's public API reference: cached and audio tokens are part of `prompt_tokens`, reasoning and audio ones of `completion_tokens`.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.frameworks.providers.bill import Bill, Call
from tests.frameworks.providers.story import REFUSAL, TOOL_CALL_ID, Answer, Ask, Tokens, answer

CREATED: Final = 1_780_000_000
EMBEDDING_TOKENS: Final = 11
PARAMETERS: Final = (
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "seed",
    "reasoning_effort",
)
_DATES: Final = {"gpt-5-mini": "2025-08-07", "gpt-4.1-mini": "2025-04-14", "gpt-4o-audio-preview": "2024-12-17"}
_REASONING: Final = ("gpt-5", "o3", "o4")


def answered_model(model: str) -> str:
    """OpenAI answers an alias with the dated model."""
    return f"{model}-{_DATES[model]}" if model in _DATES else model


def billed_tokens(model: str, given: Answer) -> Tokens:
    """OpenAI does not bill the writing of its cache, and only some of its models reason."""
    tokens = given.tokens.without(input_cache_creation="input")
    return tokens if model.startswith(_REASONING) else tokens.without(output_reasoning="output")


def parameters_of(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in PARAMETERS if name in body}


def refusal() -> dict[str, Any]:
    return {"error": {"message": REFUSAL, "type": "invalid_request_error", "param": "messages", "code": "bad_request"}}


def text_of(content: Any) -> str:
    """The text of a message's content, which is a text or a list of parts."""
    if isinstance(content, str):
        return content
    parts: list[Any] = content if isinstance(content, list) else []  # pyright: ignore[reportUnknownVariableType]
    return " ".join(part.get("text") or "" for part in parts)


def read_ask(body: dict[str, Any]) -> Ask:
    messages: list[dict[str, Any]] = body["messages"]
    texts = [text_of(message.get("content")) for message in messages]
    tools = tuple(tool["function"]["name"] for tool in body.get("tools") or ())
    roles = [message["role"] for message in messages]
    return Ask(body["model"], bool(body.get("stream")), "\n".join(texts), texts[-1], tools, "tool" in roles)


def usage_block(tokens: Tokens) -> dict[str, Any]:
    return {
        "prompt_tokens": tokens.input_side,
        "completion_tokens": tokens.output_side,
        "total_tokens": tokens.total,
        "prompt_tokens_details": {"cached_tokens": tokens.input_cached, "audio_tokens": tokens.input_audio},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.output_reasoning,
            "audio_tokens": tokens.output_audio,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


async def chat(request: Request) -> Response:
    body = await request.json()
    ask = read_ask(body)
    given = answer(ask)
    bill: Bill = request.app.state.bill
    if given.kind == "refused":
        bill.add(Call("openai.chat", ask.model, ask.model, ask.stream, 400, {}, None, parameters_of(body), ask.excerpt))
        return JSONResponse(refusal(), 400)
    tokens = billed_tokens(ask.model, given)
    options: dict[str, Any] = body.get("stream_options") or {}
    is_usage_said = not ask.stream or bool(options.get("include_usage"))
    said = usage_block(tokens) if is_usage_said else None
    model = answered_model(ask.model)
    bill.add(
        Call(
            "openai.chat",
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
    if ask.stream:
        return StreamingResponse(_chunks(model, given, said), media_type="text/event-stream")
    return JSONResponse(_completion(model, given, usage_block(tokens)))


def _completion(model: str, given: Answer, usage: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": given.text or None, "refusal": None, "annotations": []}
    if given.call:
        message["tool_calls"] = [_tool_call(given)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(given)}
    return {**_head(model, "chat.completion"), "choices": [choice], "usage": usage}


def _chunks(model: str, given: Answer, usage: dict[str, Any] | None) -> Iterator[str]:
    head = _head(model, "chat.completion.chunk")
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{"tool_calls": [{"index": 0, **_tool_call(given)}]}] if given.call else []
    deltas += [{"content": piece} for piece in given.pieces] if given.text else []
    choices: list[dict[str, Any]] = [{"index": 0, "delta": each, "finish_reason": None} for each in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": _finish_reason(given)})
    for choice in choices:
        chunk = {**head, "choices": [choice]}
        yield f"data: {json.dumps(chunk if usage is None else {**chunk, 'usage': None})}\n\n"
    if usage is not None:
        yield f"data: {json.dumps({**head, 'choices': [], 'usage': usage})}\n\n"
    yield "data: [DONE]\n\n"


def _head(model: str, kind: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-lovelace1",
        "object": kind,
        "created": CREATED,
        "model": model,
        "service_tier": "default",
        "system_fingerprint": "fp_lovelace1",
    }


def _tool_call(given: Answer) -> dict[str, Any]:
    assert given.call is not None
    function = {"name": given.call.name, "arguments": json.dumps(given.call.arguments)}
    return {"id": TOOL_CALL_ID, "type": "function", "function": function}


def _finish_reason(given: Answer) -> str:
    return "tool_calls" if given.call else "stop"


async def embeddings(request: Request) -> Response:
    body = await request.json()
    texts: list[Any] = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vector: Any = [0.25, -0.5, 0.125]
    if body.get("encoding_format") == "base64":
        vector = "AACAPgAAAL8AAAA+"  # the same three numbers as float32, little-endian
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(texts))]
    usage = {"prompt_tokens": EMBEDDING_TOKENS, "total_tokens": EMBEDDING_TOKENS}
    bill: Bill = request.app.state.bill
    model, billed = body["model"], {"input": EMBEDDING_TOKENS}
    question = texts[0] if isinstance(texts[0], str) else ""
    bill.add(Call("openai.embeddings", model, model, False, 200, billed, usage, {}, question))
    return JSONResponse({"object": "list", "data": data, "model": body["model"], "usage": usage})
