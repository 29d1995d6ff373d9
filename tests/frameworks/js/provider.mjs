// A model provider that answers as OpenAI (chat completions, responses, embeddings) and Anthropic (messages) do, streams too.
//
// In: requests of real clients. Out: the same answer for the same kind of request, and at GET /bills what was billed for each call,
// in order. It prints its address as one line of JSON and ends when its standard input ends. A prompt with the word FAIL is refused.
import { createServer } from "node:http";

const CREATED = 1760000000;
const ANSWERED_MODELS = {
  "gpt-5-mini": "gpt-5-mini-2025-08-07",
  "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
  "text-embedding-3-small": "text-embedding-3-small",
};
const TEXTS = { plain: "The parcel is in Lisbon.", streamed: "It arrives on Friday.", answered: "It is sunny in Lisbon." };
const OBJECT_SIGN = "how many days"; // also asks for the object, where a package says so in its own words only
const OBJECT = { city: "Lisbon", days: 3 };

// Of each kind of call other numbers, so that a sum tells which calls are in it: [all input, cached of it, all output, reasoning of it].
const OPENAI_TOKENS = {
  plain: [1200, 1024, 180, 64],
  streamed: [900, 512, 90, 32],
  tool: [310, 0, 45, 16],
  answered: [370, 256, 21, 0],
  object: [150, 0, 33, 8],
};
// Anthropic counts what it wrote to the cache (for 5 minutes, for an hour) and read from it beside the input: [input, 5m, 1h, read, output].
const ANTHROPIC_TOKENS = {
  plain: [120, 1500, 500, 800, 75],
  streamed: [60, 0, 0, 2000, 41],
  tool: [210, 0, 0, 0, 30],
  answered: [250, 0, 0, 128, 19],
  object: [140, 0, 0, 0, 27],
};
const EMBEDDING_TOKENS = 8;

const PARAMETERS = ["temperature", "max_tokens", "max_completion_tokens", "max_output_tokens", "top_p"];

const bills = [];

function kindOf(request, streamed) {
  const turns = [].concat(request.messages ?? request.input ?? []);
  const results = JSON.stringify(turns.slice(-1));
  if (/"role":"tool"|"function_call_output"|"tool_result"/.test(results)) return "answered";
  const tools = request.tools ?? [];
  const formats = [request.response_format?.type, request.text?.format?.type, request.output_config?.format?.type];
  if (formats.some((type) => type?.startsWith("json")) || results.includes(OBJECT_SIGN)) return "object";
  if (request.tool_choice?.name || request.tool_choice?.function) return "object";
  if (tools.length) return "tool";
  return streamed ? "streamed" : "plain";
}

// `usage`: tokens by category, none part of another. `said`: the usage as the answer told it, null if it told none (a refusal, or a stream
// that was not asked for it; it is billed all the same).
function bill(path, request, status, kind, usage, said) {
  const { model } = request;
  bills.push({
    api: APIS[path],
    kind,
    model,
    answered_model: answeredModel(model),
    stream: Boolean(request.stream),
    status,
    usage: Object.fromEntries(Object.entries(usage).filter(([, tokens]) => tokens)),
    said,
    parameters: Object.fromEntries(PARAMETERS.filter((name) => name in request).map((name) => [name, request[name]])),
    question: questionOf(request, kind),
    answer: kind === "object" ? OBJECT.city : kind === "tool" ? toolOf(request) : (TEXTS[kind] ?? ""),
  });
}

// A text that the input of the call holds.
function questionOf(request, kind) {
  if (kind === "embedding") return [].concat(request.input)[0];
  if (kind === "answered") return "sunny";
  if (typeof request.input === "string") return request.input;
  return textOf((request.messages ?? request.input).at(-1).content);
}

function textOf(content) {
  return typeof content === "string" ? content : content.map((part) => part.text).join("");
}

function answeredModel(model) {
  return ANSWERED_MODELS[model] ?? model;
}

function openaiTokens(kind) {
  const [all, cached, out, reasoning] = OPENAI_TOKENS[kind];
  return { input: all - cached, input_cached: cached, output: out - reasoning, output_reasoning: reasoning };
}

function toolOf(request) {
  const tool = request.tools[0];
  return tool.name ?? tool.function.name;
}

function send(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

function stream(response, events, named) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const event of events) {
    if (named) response.write(`event: ${event.type}\n`);
    response.write(`data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`);
  }
  response.end();
}

function chat(request, response, path) {
  const kind = kindOf(request, request.stream);
  const [all, cached, out, reasoning] = OPENAI_TOKENS[kind];
  const usage = {
    prompt_tokens: all,
    completion_tokens: out,
    total_tokens: all + out,
    prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
  const told = !request.stream || request.stream_options?.include_usage;
  bill(path, request, 200, kind, openaiTokens(kind), told ? usage : null);
  const forced = kind === "object" && request.tools?.length && !request.response_format;
  const calls = kind === "tool" || forced;
  const head = { id: `chatcmpl-${bills.length}`, created: CREATED, model: answeredModel(request.model) };
  const call = calls && {
    id: `call_${bills.length}`,
    type: "function",
    function: { name: toolOf(request), arguments: JSON.stringify(forced ? OBJECT : { city: "Lisbon" }) },
  };
  const text = kind === "object" ? JSON.stringify(OBJECT) : TEXTS[kind];
  const finish = calls ? "tool_calls" : "stop";
  if (!request.stream) {
    const message = { role: "assistant", content: calls ? null : text, refusal: null, ...(call && { tool_calls: [call] }) };
    const choices = [{ index: 0, message, logprobs: null, finish_reason: finish }];
    return send(response, 200, { ...head, object: "chat.completion", choices, usage, service_tier: "default" });
  }
  const chunk = (delta, finish_reason = null) => ({
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    ...(told && { usage: null }),
  });
  const deltas = calls
    ? [{ tool_calls: [{ index: 0, ...call }] }]
    : text.match(/\S+\s*/g).map((content) => ({ content }));
  const events = [chunk({ role: "assistant", content: calls ? null : "" }), ...deltas.map((delta) => chunk(delta)), chunk({}, finish)];
  if (told) events.push({ ...head, object: "chat.completion.chunk", choices: [], usage });
  return stream(response, [...events, "[DONE]"], false);
}

function responses(request, response, path) {
  const kind = kindOf(request, request.stream);
  const [all, cached, out, reasoning] = OPENAI_TOKENS[kind];
  const usage = {
    input_tokens: all,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: out,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: all + out,
  };
  bill(path, request, 200, kind, openaiTokens(kind), usage);
  const number = bills.length;
  const text = kind === "object" ? JSON.stringify(OBJECT) : TEXTS[kind];
  const part = { type: "output_text", text, annotations: [], logprobs: [] };
  const thought = { id: `rs_${number}`, type: "reasoning", summary: [] };
  const item =
    kind === "tool"
      ? {
          id: `fc_${number}`,
          type: "function_call",
          status: "completed",
          call_id: `call_${number}`,
          name: toolOf(request),
          arguments: JSON.stringify({ city: "Lisbon" }),
        }
      : { id: `msg_${number}`, type: "message", status: "completed", role: "assistant", content: [part] };
  const output = reasoning ? [thought, item] : [item];
  const whole = {
    id: `resp_${number}`,
    object: "response",
    created_at: CREATED,
    status: "completed",
    background: false,
    error: null,
    incomplete_details: null,
    instructions: request.instructions ?? null,
    max_output_tokens: null,
    model: answeredModel(request.model),
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: "medium", summary: null },
    service_tier: "default",
    store: true,
    temperature: 1,
    text: request.text ?? { format: { type: "text" } },
    tool_choice: "auto",
    tools: request.tools ?? [],
    top_p: 1,
    truncation: "disabled",
    usage,
    user: null,
    metadata: {},
  };
  if (!request.stream) return send(response, 200, whole);
  const started = { ...whole, status: "in_progress", output: [], usage: null };
  const events = [{ type: "response.created", response: started }, { type: "response.in_progress", response: started }];
  output.forEach((each, output_index) => {
    const open = each.type === "message" ? { ...each, status: "in_progress", content: [] } : each.arguments ? { ...each, arguments: "" } : each;
    events.push({ type: "response.output_item.added", output_index, item: open });
    const place = { item_id: each.id, output_index };
    if (each.type === "message") {
      const inside = { ...place, content_index: 0 };
      events.push({ type: "response.content_part.added", ...inside, part: { ...part, text: "" } });
      for (const delta of text.match(/\S+\s*/g)) events.push({ type: "response.output_text.delta", ...inside, delta, logprobs: [] });
      events.push({ type: "response.output_text.done", ...inside, text, logprobs: [] });
      events.push({ type: "response.content_part.done", ...inside, part });
    } else if (each.type === "function_call") {
      events.push({ type: "response.function_call_arguments.delta", ...place, delta: each.arguments });
      events.push({ type: "response.function_call_arguments.done", ...place, arguments: each.arguments });
    }
    events.push({ type: "response.output_item.done", output_index, item: each });
  });
  events.push({ type: "response.completed", response: whole });
  return stream(response, events.map((event, sequence_number) => ({ ...event, sequence_number })), true);
}

function embeddings(request, response, path) {
  const inputs = [].concat(request.input);
  const units = EMBEDDING_TOKENS * inputs.length;
  const usage = { prompt_tokens: units, total_tokens: units };
  bill(path, request, 200, "embedding", { input: units }, usage);
  const numbers = new Float32Array([0.25, -0.5, 0.75, 0.125]);
  const embedding = request.encoding_format === "base64" ? Buffer.from(numbers.buffer).toString("base64") : [...numbers];
  const data = inputs.map((_, index) => ({ object: "embedding", index, embedding }));
  send(response, 200, { object: "list", data, model: answeredModel(request.model), usage });
}

function messages(request, response, path) {
  const kind = kindOf(request, request.stream);
  const [given, minutes, hour, read, out] = ANTHROPIC_TOKENS[kind];
  const usage = {
    input_tokens: given,
    cache_creation_input_tokens: minutes + hour,
    cache_read_input_tokens: read,
    cache_creation: { ephemeral_5m_input_tokens: minutes, ephemeral_1h_input_tokens: hour },
    output_tokens: out,
    service_tier: "standard",
  };
  const tokens = { input: given, input_cached: read, input_cache_creation: minutes + hour, output: out };
  bill(path, request, 200, kind, tokens, usage);
  const forced = kind === "object" && Boolean(request.tool_choice?.name);
  const block =
    kind === "tool" || forced
      ? { type: "tool_use", id: `toolu_${bills.length}`, name: forced ? request.tool_choice.name : toolOf(request), input: forced ? OBJECT : { city: "Lisbon" } }
      : { type: "text", text: kind === "object" ? JSON.stringify(OBJECT) : TEXTS[kind] };
  const stop = { stop_reason: block.type === "tool_use" ? "tool_use" : "end_turn", stop_sequence: null };
  const head = { id: `msg_${bills.length}`, type: "message", role: "assistant", model: answeredModel(request.model) };
  if (!request.stream) return send(response, 200, { ...head, content: [block], ...stop, usage });
  const deltas =
    block.type === "text"
      ? block.text.match(/\S+\s*/g).map((text) => ({ type: "text_delta", text }))
      : [{ type: "input_json_delta", partial_json: JSON.stringify(block.input) }];
  const events = [
    { type: "message_start", message: { ...head, content: [], stop_reason: null, stop_sequence: null, usage: { ...usage, output_tokens: 1 } } },
    { type: "content_block_start", index: 0, content_block: block.type === "text" ? { ...block, text: "" } : { ...block, input: {} } },
    ...deltas.map((delta) => ({ type: "content_block_delta", index: 0, delta })),
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: stop, usage: { output_tokens: out } },
    { type: "message_stop" },
  ];
  return stream(response, events, true);
}

const ROUTES = {
  "/v1/chat/completions": chat,
  "/v1/responses": responses,
  "/v1/embeddings": embeddings,
  "/v1/messages": messages,
};
const APIS = {
  "/v1/chat/completions": "openai.chat",
  "/v1/responses": "openai.responses",
  "/v1/embeddings": "openai.embeddings",
  "/v1/messages": "anthropic.messages",
};

function refuse(request, response, path) {
  bill(path, request, 400, "refused", {}, null);
  const message = "The prompt was refused by the content policy.";
  const error = path === "/v1/messages" ? { type: "invalid_request_error", message } : { message, type: "invalid_request_error", param: "prompt", code: "content_policy" };
  send(response, 400, { type: "error", error });
}

const server = createServer((incoming, response) => {
  const path = new URL(incoming.url, "http://provider").pathname;
  if (incoming.method === "GET" && path === "/bills") return send(response, 200, bills);
  const route = ROUTES[path];
  if (incoming.method !== "POST" || !route) return send(response, 404, { error: { message: `no route ${incoming.method} ${path}` } });
  const chunks = [];
  incoming.on("data", (chunk) => chunks.push(chunk));
  incoming.on("end", () => {
    const text = Buffer.concat(chunks).toString();
    (text.includes("FAIL") ? refuse : route)(JSON.parse(text), response, path);
  });
});

server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })));
process.stdin.resume();
process.stdin.on("end", () => {
  server.closeAllConnections();
  server.close();
});
