import { LegacyOpenTelemetry, OpenTelemetry } from "@ai-sdk/otel";
import { isStepCount, registerTelemetry } from "ai";
import { story } from "../common.mjs";
import { tellStory } from "../vercel.mjs";

const [exporter, spans] = process.argv.slice(2);
const everything = { usage: true, providerMetadata: true, embedding: true, runtimeContext: true, toolChoice: true, schema: true };
const integrations = {
  legacy: () => new LegacyOpenTelemetry(),
  everything: () => new OpenTelemetry(everything),
  plain: () => new OpenTelemetry(),
};
registerTelemetry(integrations[spans ?? "plain"]());
const { userId, sessionId, tags } = story;

await tellStory(exporter, {
  system: "instructions",
  maxTokens: "maxOutputTokens",
  parameters: "inputSchema",
  telemetry: (functionId) => ({
    runtimeContext: { userId, sessionId, tags },
    telemetry: { functionId, includeRuntimeContext: { userId: true, sessionId: true, tags: true } },
  }),
  steps: (count) => ({ stopWhen: isStepCount(count) }),
  embedding: (openai) => openai.embedding,
});
