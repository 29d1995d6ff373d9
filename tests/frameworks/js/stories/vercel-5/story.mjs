import { stepCountIs } from "ai";
import { experimentalTelemetry, tellStory } from "../vercel.mjs";

const exporter = process.argv[2];

await tellStory(exporter, {
  system: "system",
  maxTokens: "maxOutputTokens",
  parameters: "inputSchema",
  telemetry: experimentalTelemetry(exporter),
  steps: (count) => ({ stopWhen: stepCountIs(count) }),
  embedding: (openai) => openai.embedding,
});
