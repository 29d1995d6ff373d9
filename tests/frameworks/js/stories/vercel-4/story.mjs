import { experimentalTelemetry, tellStory } from "../vercel.mjs";

const exporter = process.argv[2];

await tellStory(exporter, {
  system: "system",
  maxTokens: "maxTokens",
  parameters: "parameters",
  telemetry: experimentalTelemetry(exporter),
  steps: (maxSteps) => ({ maxSteps }),
  embedding: (openai) => openai.embedding,
});
