// Writes, reads and labels prompts with the JavaScript SDK 3, which can neither list nor delete them, and sends a generation that is linked to one.
import { Langfuse } from "langfuse";

const name = process.argv[2];
const langfuse = new Langfuse();

// This SDK throws an error with the message of the answer.
async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return error.message;
  }
  return null;
}

const made = await langfuse.createPrompt({
  name,
  prompt: "Hello {{who}}",
  labels: ["production"],
  tags: ["greeting"],
  config: { model: "gpt-4o", temperature: 0.5 },
  commitMessage: "first",
});
const second = await langfuse.createPrompt({ name, prompt: "Hi {{who}}", labels: ["staging"] });
const production = await langfuse.getPrompt(name);
const cached = (await langfuse.getPrompt(name)) === production;
const staging = await langfuse.getPrompt(name, undefined, { label: "staging" });
const first = await langfuse.getPrompt(name, 1);
const updated = await langfuse.updatePrompt({ name, version: 2, newLabels: ["production"] });
const moved = await langfuse.getPrompt(name);

await langfuse.createPrompt({
  name: `${name}/chat`,
  type: "chat",
  prompt: [
    { role: "system", content: "You are {{who}}" },
    { type: "placeholder", name: "history" },
    { role: "user", content: "{{question}}" },
  ],
  labels: ["production"],
});
const chat = await langfuse.getPrompt(`${name}/chat`, undefined, { type: "chat" });
const messages = chat.compile({ who: "Ann", question: "Why?" }, { history: [{ role: "user", content: "Earlier" }] });

await langfuse.createPrompt({
  name: `${name}/whole`,
  prompt: `<@@@langfusePrompt:name=${name}|version=1@@@>`,
  labels: ["production"],
});
const whole = (await langfuse.getPrompt(`${name}/whole`)).toJSON();
const fallback = await langfuse.getPrompt(`${name}/none`, undefined, { fallback: "Oh {{who}}", maxRetries: 0 });

const trace = langfuse.trace({ name });
trace.generation({ name, model: "gpt-4o", output: "done", prompt: moved });
await langfuse.shutdownAsync();

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
    whole: JSON.parse(whole).prompt,
    fallback: [fallback.version, fallback.compile({ who: "dear" }), fallback.isFallback],
    missing: await refusal(() => langfuse.getPrompt(`${name}/none`, undefined, { maxRetries: 0 })),
    traceId: trace.id,
  }),
);
