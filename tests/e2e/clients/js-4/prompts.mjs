// Writes, reads, labels, lists and deletes prompts with the JavaScript SDK 4, and sends a generation that is linked to one.
import { LangfuseClient } from "@langfuse/client";
import { LangfuseSpanProcessor } from "@langfuse/otel";
import { startObservation } from "@langfuse/tracing";
import { NodeSDK } from "@opentelemetry/sdk-node";

const name = process.argv[2];
const spans = new LangfuseSpanProcessor();
const provider = new NodeSDK({ spanProcessors: [spans] });
provider.start();
const langfuse = new LangfuseClient();
const { prompt: prompts, api } = langfuse;

async function status(call) {
  try {
    await call();
  } catch (error) {
    return error.statusCode ?? String(error);
  }
  return null;
}

const made = await prompts.create({
  name,
  prompt: "Hello {{who}}",
  labels: ["production"],
  tags: ["greeting"],
  config: { model: "gpt-4o", temperature: 0.5 },
  commitMessage: "first",
});
const second = await prompts.create({ name, prompt: "Hi {{who}}", labels: ["staging"] });
const production = await prompts.get(name);
const cached = (await prompts.get(name)) === production;
const staging = await prompts.get(name, { label: "staging" });
const first = await prompts.get(name, { version: 1 });
const updated = await prompts.update({ name, version: 2, newLabels: ["production"] });
const moved = await prompts.get(name);

await prompts.create({
  name: `${name}/chat`,
  type: "chat",
  prompt: [
    { role: "system", content: "You are {{who}}" },
    { type: "placeholder", name: "history" },
    { role: "user", content: "{{question}}" },
  ],
  labels: ["production"],
});
const chat = await prompts.get(`${name}/chat`, { type: "chat" });
const messages = chat.compile({ who: "Ann", question: "Why?" }, { history: [{ role: "user", content: "Earlier" }] });

await prompts.create({
  name: `${name}/whole`,
  prompt: `<@@@langfusePrompt:name=${name}|version=1@@@>`,
  labels: ["production"],
});
const whole = await api.prompts.get(`${name}/whole`);

const fallback = await prompts.get(`${name}/none`, { fallback: "Oh {{who}}", maxRetries: 0 });
const listed = await api.prompts.list({ name });
const page = await api.prompts.list({ label: "production", tag: "greeting", page: 1, limit: 1 });

const generation = startObservation(name, { model: "gpt-4o", output: "done", prompt: moved }, { asType: "generation" });
generation.end();
await spans.forceFlush();
await provider.shutdown();

await prompts.create({ name: `${name}/gone`, prompt: "1" });
await prompts.create({ name: `${name}/gone`, prompt: "2" });
const refused = await status(() => prompts.delete(name, { version: 1 }));
await prompts.delete(`${name}/gone`, { version: 2 });
const latest = (await prompts.get(`${name}/gone`, { label: "latest", cacheTtlSeconds: 0 })).version;
await prompts.delete(`${name}/gone`);

console.log(
  JSON.stringify({
    made: [made.name, made.version, made.prompt, made.labels, made.tags, made.config, made.commitMessage],
    second: [second.version, second.labels, second.tags],
    production: [production.version, production.compile({ who: "you" }), production.labels, production.isFallback],
    cached,
    staging: staging.version,
    first: first.prompt,
    updated: [updated.version, updated.labels],
    moved: moved.version,
    messages,
    whole: [whole.prompt, whole.resolutionGraph.root.name, Object.keys(whole.resolutionGraph.dependencies).length],
    fallback: [fallback.version, fallback.compile({ who: "dear" }), fallback.isFallback],
    missing: await status(() => prompts.get(`${name}/none`, { maxRetries: 0 })),
    listed: listed.data.map((each) => [each.name, each.versions, each.labels, each.tags, each.lastConfig]),
    page: [page.meta.page, page.meta.limit, page.meta.totalItems >= 1, page.data.length],
    refused,
    latest,
    deleted: await status(() => prompts.get(`${name}/gone`, { label: "latest", cacheTtlSeconds: 0, maxRetries: 0 })),
    traceId: generation.traceId,
  }),
);
