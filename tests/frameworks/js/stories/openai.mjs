// The story as a program tells it that uses the OpenAI client itself. The tool is run by the program, not by a framework.
import { provider, refused, story } from "./common.mjs";

export const clientOptions = { baseURL: provider.openai, apiKey: provider.key, maxRetries: 0 };

const question = (content) => [
  { role: "system", content: story.system },
  { role: "user", content },
];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };

// `client` makes the client of one step, by its name; `runTool` runs what the model asked for.
export async function tellStory(client, runTool = async (work) => work()) {
  await chat(client, runTool);
  await responses(client, runTool);
  await client("embedding").embeddings.create({ model: story.embeddingModel, input: [story.question, story.toolQuestion] });
  await refused(() => client("refused").chat.completions.create({ model: story.model, messages: question(story.failing) }));
}

async function chat(client, runTool) {
  const { model } = story;
  await client("chat-plain").chat.completions.create({ model, messages: question(story.question), max_completion_tokens: story.maxTokens });
  const streamed = { model, messages: question(story.streamedQuestion), stream: true };
  await drain(await client("chat-streamed").chat.completions.create({ ...streamed, stream_options: { include_usage: true } }));
  await drain(await client("chat-streamed-without-usage").chat.completions.create(streamed));
  const tools = [{ type: "function", function: { name: story.toolName, description: story.toolDescription, parameters } }];
  const messages = question(story.toolQuestion);
  const asked = await client("chat-tool").chat.completions.create({ model, messages, tools });
  const [{ message }] = asked.choices;
  const [call] = message.tool_calls;
  const content = JSON.stringify(await runTool(async () => story.weather, JSON.parse(call.function.arguments)));
  messages.push(message, { role: "tool", tool_call_id: call.id, content });
  await client("chat-answered").chat.completions.create({ model, messages, tools });
}

async function responses(client, runTool) {
  const { model } = story;
  const instructions = story.system;
  await client("responses-plain").responses.create({ model, instructions, input: story.question, max_output_tokens: story.maxTokens });
  await drain(await client("responses-streamed").responses.create({ model, instructions, input: story.streamedQuestion, stream: true }));
  const tools = [{ type: "function", name: story.toolName, description: story.toolDescription, parameters, strict: true }];
  const input = [{ role: "user", content: story.toolQuestion }];
  const asked = await client("responses-tool").responses.create({ model, instructions, input, tools });
  const call = asked.output.find((item) => item.type === "function_call");
  const output = JSON.stringify(await runTool(async () => story.weather, JSON.parse(call.arguments)));
  input.push(...asked.output, { type: "function_call_output", call_id: call.call_id, output });
  await client("responses-answered").responses.create({ model, instructions, input, tools });
}

async function drain(stream) {
  for await (const chunk of stream) void chunk;
}
