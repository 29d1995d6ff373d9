// Scores with the JavaScript SDK 3: by Langfuse with both keys, and by LangfuseWeb, which runs in browsers, with the public key alone.
// Prints what the SDK's own parser made of the answers.
import { Langfuse, LangfuseWeb } from "langfuse";

const [name] = process.argv.slice(2);
const langfuse = new Langfuse();
const web = new LangfuseWeb({ publicKey: process.env.LANGFUSE_PUBLIC_KEY, baseUrl: process.env.LANGFUSE_BASEURL });

async function until(holds) {
  for (let tries = 0; tries < 200; tries += 1) {
    const found = await holds();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("what was sent did not become readable");
}

const traceId = `${name}-trace`;
const spanId = `${name}-span`;
const trace = langfuse.trace({ id: traceId, name: `scored ${name}` });
const span = trace.span({ id: spanId, name: "work" });
trace.score({ id: `${name}-current-trace`, name: "current trace", value: 0.25 });
span.score({ id: `${name}-current-span`, name: "current span", value: "fine" });
langfuse.score({ id: `${name}-numeric`, traceId, name: "numeric", value: 0.5, comment: "so so" });
await langfuse.flushAsync();
await web.score({
  id: `${name}-boolean`,
  traceId,
  observationId: spanId,
  name: "boolean",
  value: 1,
  dataType: "BOOLEAN",
});
await web.score({ id: `${name}-web`, traceId, name: "thumbs", value: "up" });

const found = await until(async () => {
  // A trace that is not there yet is an error, or an answer without scores.
  const fetched = await langfuse.fetchTrace(traceId).catch(() => undefined);
  const scores = fetched?.data?.scores ?? [];
  return scores.length === 5 ? scores : undefined;
});
console.log(
  JSON.stringify({
    traceId,
    spanId,
    scores: Object.fromEntries(found.map((each) => [each.id.slice(name.length + 1), each])),
  }),
);
