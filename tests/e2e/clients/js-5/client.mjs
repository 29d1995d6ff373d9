// Writes the story with the JavaScript SDK 5: startActiveObservation, propagateAttributes, setTraceIO, LangfuseClient.score.
import { readFileSync } from "node:fs";
import { LangfuseClient } from "@langfuse/client";
import { LangfuseSpanProcessor } from "@langfuse/otel";
import { propagateAttributes, startActiveObservation } from "@langfuse/tracing";
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const story = JSON.parse(readFileSync(new URL("../story.json", import.meta.url), "utf8"));
const { root, nested, generation, failed, scores } = story;
const marker = process.argv[2];
if (process.argv.includes("--again")) {
  console.error("js-5: the spans get new ids in every run, so they cannot be written again; resend the requests");
  process.exit(2);
}

const spans = new LangfuseSpanProcessor({ environment: story.environment, release: story.release });
const provider = new NodeTracerProvider({ spanProcessors: [spans] });
provider.register();
const langfuse = new LangfuseClient();

async function askModel() {
  await startActiveObservation(
    generation.name,
    async (modelCall) => {
      modelCall.update({
        model: generation.model,
        modelParameters: generation.modelParameters,
        input: generation.input,
      });
      modelCall.update({ output: generation.output, usageDetails: generation.usage });
      langfuse.score.observation(modelCall, {
        ...scores.generation,
        dataType: "CATEGORICAL",
        environment: story.environment,
      });
    },
    { asType: "generation" },
  );
}

const traceAttributes = {
  traceName: `${story.name} ${marker}`,
  userId: `user-${marker}`,
  sessionId: `session-${marker}`,
  tags: story.tags,
  metadata: Object.fromEntries(Object.entries(story.metadata).filter(([, value]) => typeof value === "string")),
  version: story.version,
};

const traceId = await propagateAttributes(traceAttributes, () =>
  startActiveObservation(root.name, async (rootSpan) => {
    rootSpan.update({ input: root.input, metadata: story.metadata });
    await startActiveObservation(nested.name, async (nestedSpan) => {
      nestedSpan.update({ input: nested.input });
      await askModel();
      nestedSpan.update({ output: nested.output });
    });
    await startActiveObservation(failed.name, async (failedSpan) => {
      failedSpan.update({ input: failed.input, level: failed.level, statusMessage: failed.statusMessage });
    });
    rootSpan.update({ output: root.output });
    rootSpan.setTraceIO({ input: root.input, output: root.output });
    langfuse.score.trace(rootSpan, { ...scores.trace, dataType: "NUMERIC", environment: story.environment });
    return rootSpan.traceId;
  }),
);

await langfuse.shutdown();
await spans.forceFlush();
await provider.shutdown();
console.log(JSON.stringify({ traceIds: [traceId] }));
